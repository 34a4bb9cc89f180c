"""Linear and bilinear layers."""

from __future__ import annotations

import torch

from model_zoo.layers.split_bilinear import SplitBilinear
from toolkit.builder.layers.registry import layer
from toolkit.builder.layers.sizes import Size, pair

__all__ = ["bilinear", "linear"]


@layer(flattens=True)
def linear(*, size: Size, bias: bool = True, flatten: bool = True) -> torch.nn.Module:
    """(N, ...) flattened to (N, size[0]) -> (N, size[1]); with flatten=False (N, ..., size[0]) -> (N, ..., size[1])."""
    return torch.nn.Linear(*pair(size), bias=bias)


@layer()
def bilinear(*, size: tuple[int, int, int], bias: bool = True) -> torch.nn.Module:
    """(N, ..., size[0] + size[1]) -> (N, ..., size[2]): the last axis split in two, a learnt bilinear form of both."""
    return SplitBilinear(*size, bias=bias)
