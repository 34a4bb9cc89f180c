"""Padding layers: zeros, a constant, reflection, or replication of the edges."""

from __future__ import annotations

import torch

from model_zoo.layers.padding import Pad
from toolkit.builder.arguments import Count
from toolkit.builder.layers.registry import layer

__all__ = ["constant_pad", "reflection_pad", "replication_pad", "zero_pad"]


@layer(axes=(2, 3, 4), aliases=("zero_pad1d", "zero_pad2d", "zero_pad3d"))
def zero_pad(*, padding: Count | tuple[Count, ...]) -> torch.nn.Module:
    """(N, C, ...) -> (N, C, ...) with zeros around; padding is one number, or (left, right[, top, bottom[, front, back]])."""
    return Pad(_pairs(padding), "constant")


@layer(axes=(2, 3, 4), aliases=("constant_pad1d", "constant_pad2d", "constant_pad3d"))
def constant_pad(*, padding: Count | tuple[Count, ...], value: float = 0.0) -> torch.nn.Module:
    """(N, C, ...) -> (N, C, ...) with `value` around; padding is one number, or (left, right[, top, bottom[, front, back]])."""
    return Pad(_pairs(padding), "constant", value)


@layer(axes=(2, 3, 4), aliases=("reflection_pad1d", "reflection_pad2d", "reflection_pad3d"))
def reflection_pad(*, padding: Count | tuple[Count, ...]) -> torch.nn.Module:
    """(N, C, ...) -> (N, C, ...) mirrored at its edges; padding is one number, or (left, right[, top, bottom[, front, back]])."""
    return Pad(_pairs(padding), "reflect")


@layer(axes=(2, 3, 4), aliases=("replication_pad1d", "replication_pad2d", "replication_pad3d"))
def replication_pad(*, padding: Count | tuple[Count, ...]) -> torch.nn.Module:
    """(N, C, ...) -> (N, C, ...) with its edges repeated; padding is one number, or (left, right[, top, bottom[, front, back]])."""
    return Pad(_pairs(padding), "replicate")


def _pairs(padding: int | tuple[int, ...]) -> int | tuple[int, ...]:
    if isinstance(padding, tuple) and len(padding) not in (2, 4, 6):
        raise ValueError(
            f"padding={padding} was given; one number, or a pair an axis is expected: (left, right[, top, bottom[, front, back]])."
        )
    return padding
