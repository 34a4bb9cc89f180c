"""Multi-layer perceptron (MLP)."""

from __future__ import annotations

import itertools
import math

import torch

__all__ = ["MLP"]


class MLP(torch.nn.Sequential):
    """(N, ...) -> (N, out_features): flattened, then linear layers with ReLU between them.

    Args:
        in_shape: shape of one input, without the batch axis.
        out_features: width of the last layer.
        hidden: widths of the layers before it.
    """

    def __init__(self, in_shape: tuple[int, ...], out_features: int, hidden: tuple[int, ...] = (64, 32)) -> None:
        super().__init__()
        self.add_module("flatten", torch.nn.Flatten())
        widths = (math.prod(in_shape), *hidden)
        for number, (before, after) in enumerate(itertools.pairwise(widths), start=1):
            self.add_module(f"linear{number}", torch.nn.Linear(before, after))
            self.add_module(f"relu{number}", torch.nn.ReLU())
        self.add_module(f"linear{len(widths)}", torch.nn.Linear(widths[-1], out_features))
