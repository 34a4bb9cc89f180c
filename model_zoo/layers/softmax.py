"""Softmax over the classes, wherever their axis is."""

from __future__ import annotations

import torch

__all__ = ["LogSoftmax", "Softmax"]


def _classes_axis(dim: int | None, axes: int) -> int:
    """(N, K), (N, K, H, W) and (N, K, D, H, W): 1. Sequences (N, L, K): the last one."""
    if dim is None:
        return 2 if axes == 3 else 1
    axis = dim + axes if dim < 0 else dim
    if not 1 <= axis < axes:
        raise ValueError(f"dim={dim} was given; an axis from 1 to {axes - 1} is expected, as axis 0 is the batch.")
    return axis


class Softmax(torch.nn.Softmax):
    """The same shape, positive and summing to 1 over the classes: axis 1, or the last of a sequence (N, L, K), unless `dim` says.

    Raises:
        ValueError: in `forward`, when there is no axis `dim`, or it is the batch.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.softmax(_classes_axis(self.dim, x.ndim))


class LogSoftmax(torch.nn.LogSoftmax):
    """The logarithm of `Softmax`, over the same axis."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.log_softmax(_classes_axis(self.dim, x.ndim))
