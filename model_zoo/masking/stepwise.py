"""Layers that take each step by itself, and softmax, which may go along the steps."""

from __future__ import annotations

from typing import Any

import torch

from model_zoo.layers.shaping import First
from model_zoo.layers.softmax import LogSoftmax, Softmax
from model_zoo.layers.split_bilinear import SplitBilinear
from model_zoo.masking.padding import Padding
from model_zoo.masking.registry import masked

__all__ = ["each_step", "of_last_axis", "softmax"]

_STEPWISE = (
    *(
        getattr(torch.nn, name)
        for name in ("CELU", "ELU", "GELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh")
    ),
    *(
        getattr(torch.nn, name)
        for name in ("LeakyReLU", "LogSigmoid", "Mish", "PReLU", "ReLU", "ReLU6", "RReLU", "SELU")
    ),
    *(getattr(torch.nn, name) for name in ("SiLU", "Sigmoid", "Softplus", "Softshrink", "Softsign", "Tanh")),
    *(getattr(torch.nn, name) for name in ("Tanhshrink", "Threshold", "Identity", "AlphaDropout")),
    *(getattr(torch.nn, name) for name in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout")),
    First,
)


@masked(*_STEPWISE)
def each_step(run: Any, layer: torch.nn.Module, x: torch.Tensor, padding: Padding) -> tuple[torch.Tensor, Padding]:
    """Element by element: the padding stays where it is."""
    return run(x), padding


@masked(torch.nn.Linear, SplitBilinear)
def of_last_axis(
    run: Any, layer: torch.nn.Module, x: torch.Tensor, padding: Padding
) -> tuple[torch.Tensor, Padding | None]:
    """Step by step over the last axis; over steps as features, padded ones count as zeros."""
    if padding.axis == x.ndim - 1:
        return run(padding.filled(x)), None
    return run(x), padding


@masked(torch.nn.Softmax, torch.nn.LogSoftmax, Softmax, LogSoftmax)
def softmax(
    run: Any, layer: torch.nn.Softmax | torch.nn.LogSoftmax, x: torch.Tensor, padding: Padding
) -> tuple[torch.Tensor, Padding]:
    """A softmax along the steps gives padded ones no share."""
    return run(padding.filled(x, torch.finfo(x.dtype).min) if _axis(layer, x.ndim) == padding.axis else x), padding


def _axis(layer: torch.nn.Softmax | torch.nn.LogSoftmax, axes: int) -> int:
    if layer.dim is None:  # (N, K, ...), and the last axis of a sequence (N, L, K)
        return 2 if axes == 3 else 1
    return layer.dim % axes
