"""Maximum pooling over dynamic lengths: torch freezes the length of one axis, and branches on what `ceil_mode` leaves over."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional

from exporters.tracing.forms.functions import function_form

__all__ = ["max_pool_of_one_axis", "max_pool_rounded_up"]


@function_form(functional.max_pool1d, functional.max_pool1d_with_indices, torch.max_pool1d)
def max_pool_of_one_axis(
    input: torch.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maximum pooling (..., C, L) -> (..., C, L'), and positions where asked for, as pooling over (1, L)."""
    kernel = _each(kernel_size, 1)
    wide = ((1, *kernel), (1, *_each(stride or kernel, 1)), (0, *_each(padding, 1)), (1, *_each(dilation, 1)))
    result = _pooled(input.unsqueeze(-2), *wide, ceil_mode, return_indices)
    return tuple(part.squeeze(-2) for part in result) if return_indices else result.squeeze(-2)


@function_form(functional.max_pool2d, functional.max_pool2d_with_indices, torch.max_pool2d)
def max_pool_rounded_up(
    input: torch.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maximum pooling with `ceil_mode` over dynamic lengths: (..., C, H, W) -> (..., C, H', W')."""
    if not ceil_mode:
        return NotImplemented
    kernel = _each(kernel_size, 2)
    whole = (kernel, _each(stride or kernel, 2), _each(padding, 2), _each(dilation, 2))
    return _pooled(input, *whole, ceil_mode, return_indices)


def _pooled(
    input: torch.Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    """Rounding up is rounding down with stride - 1 more positions behind, as long as no window begins in the far padding."""
    spans = [rate * (size - 1) + 1 for size, rate in zip(kernel, dilation, strict=True)]
    dynamic = any(not isinstance(length, int) for length in input.shape[-2:])
    inside = all(span >= pad + step for span, pad, step in zip(spans, padding, stride, strict=True))
    if ceil_mode and dynamic and inside and not return_indices:
        # the last axis comes first in pad's list
        behind = [0, stride[1] - 1, 0, stride[0] - 1]
        input, ceil_mode = functional.pad(input, behind, value=-math.inf), False
    pool: Any = functional.max_pool2d
    return pool(input, kernel, stride, padding, dilation, ceil_mode, return_indices)


def _each(value: Any, axes: int) -> tuple[int, ...]:
    if not isinstance(value, tuple | list):
        return (int(value),) * axes
    return tuple(value) * axes if len(value) == 1 else tuple(value)
