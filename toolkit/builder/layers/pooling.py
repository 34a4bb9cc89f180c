"""Pooling: maximum or mean of windows, adaptive to a number of cells, or global; and max unpooling."""

from __future__ import annotations

from typing import TypeAlias

import torch

from model_zoo.layers.adaptive_pool import AdaptiveAvgPool, AdaptiveMaxPool
from model_zoo.layers.global_pool import GlobalAvgPool, GlobalMaxPool
from model_zoo.layers.unpool import MaxUnpool
from toolkit.builder.layers.registry import layer
from toolkit.builder.layers.sizes import Count1, Count2, Count3, Whole1, Whole2, Whole3

__all__ = [
    "adaptive_avgpool1d",
    "adaptive_avgpool2d",
    "adaptive_avgpool3d",
    "adaptive_maxpool1d",
    "adaptive_maxpool2d",
    "adaptive_maxpool3d",
    "avgpool",
    "avgpool1d",
    "avgpool3d",
    "global_avgpool",
    "global_maxpool",
    "maxpool",
    "maxpool1d",
    "maxpool3d",
    "maxunpool1d",
    "maxunpool2d",
]

Cells2: TypeAlias = int | tuple[int | None, int | None]
Cells3: TypeAlias = int | tuple[int | None, int | None, int | None]
"""How many cells go out along each axis; None keeps an axis as it is."""


@layer(axes=2)
def maxpool1d(
    *,
    kernel_size: Whole1,
    stride: Whole1 | None = None,
    padding: Count1 = 0,
    dilation: Whole1 = 1,
    return_indices: bool = False,
    ceil_mode: bool = False,
) -> torch.nn.Module:
    """(N, C, L) -> (N, C, L'), the maximum of each window; return_indices keeps its index for maxunpool1d."""
    _check_padding(kernel_size, padding)
    return torch.nn.MaxPool1d(kernel_size, stride, padding, dilation, return_indices, ceil_mode)


@layer(axes=3, aliases=("maxpool2d",))
def maxpool(
    *,
    kernel_size: Whole2,
    stride: Whole2 | None = None,
    padding: Count2 = 0,
    dilation: Whole2 = 1,
    return_indices: bool = False,
    ceil_mode: bool = False,
) -> torch.nn.Module:
    """(N, C, H, W) -> (N, C, H', W'), the maximum of each window; return_indices keeps its index for maxunpool2d."""
    _check_padding(kernel_size, padding)
    return torch.nn.MaxPool2d(kernel_size, stride, padding, dilation, return_indices, ceil_mode)


@layer(axes=4)
def maxpool3d(
    *,
    kernel_size: Whole3,
    stride: Whole3 | None = None,
    padding: Count3 = 0,
    dilation: Whole3 = 1,
    ceil_mode: bool = False,
) -> torch.nn.Module:
    """(N, C, D, H, W) -> (N, C, D', H', W'), the maximum of each window."""
    _check_padding(kernel_size, padding)
    return torch.nn.MaxPool3d(kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)


@layer(axes=2)
def avgpool1d(
    *,
    kernel_size: Whole1,
    stride: Whole1 | None = None,
    padding: Count1 = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> torch.nn.Module:
    """(N, C, L) -> (N, C, L'), the mean of each window."""
    _check_padding(kernel_size, padding)
    return torch.nn.AvgPool1d(kernel_size, stride, padding, ceil_mode, count_include_pad)  # type: ignore[arg-type]


@layer(axes=3, aliases=("avgpool2d",))
def avgpool(
    *,
    kernel_size: Whole2,
    stride: Whole2 | None = None,
    padding: Count2 = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> torch.nn.Module:
    """(N, C, H, W) -> (N, C, H', W'), the mean of each window."""
    _check_padding(kernel_size, padding)
    return torch.nn.AvgPool2d(kernel_size, stride, padding, ceil_mode, count_include_pad)


@layer(axes=4)
def avgpool3d(
    *,
    kernel_size: Whole3,
    stride: Whole3 | None = None,
    padding: Count3 = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> torch.nn.Module:
    """(N, C, D, H, W) -> (N, C, D', H', W'), the mean of each window."""
    _check_padding(kernel_size, padding)
    return torch.nn.AvgPool3d(kernel_size, stride, padding, ceil_mode, count_include_pad)


@layer(axes=2)
def adaptive_avgpool1d(*, output_size: Whole1) -> torch.nn.Module:
    """(N, C, L) -> (N, C, output_size), the means of that many parts."""
    return AdaptiveAvgPool(output_size, 1)


@layer(axes=3, aliases=("adaptive_avgpool",))
def adaptive_avgpool2d(*, output_size: Cells2) -> torch.nn.Module:
    """(N, C, H, W) -> (N, C, *output_size), the means of that many parts; None keeps an axis."""
    return AdaptiveAvgPool(output_size, 2)


@layer(axes=4)
def adaptive_avgpool3d(*, output_size: Cells3) -> torch.nn.Module:
    """(N, C, D, H, W) -> (N, C, *output_size), the means of that many parts; None keeps an axis."""
    return AdaptiveAvgPool(output_size, 3)


@layer(axes=2)
def adaptive_maxpool1d(*, output_size: Whole1) -> torch.nn.Module:
    """(N, C, L) -> (N, C, output_size), the maxima of that many parts."""
    return AdaptiveMaxPool(output_size, 1)


@layer(axes=3, aliases=("adaptive_maxpool",))
def adaptive_maxpool2d(*, output_size: Cells2) -> torch.nn.Module:
    """(N, C, H, W) -> (N, C, *output_size), the maxima of that many parts; None keeps an axis."""
    return AdaptiveMaxPool(output_size, 2)


@layer(axes=4)
def adaptive_maxpool3d(*, output_size: Cells3) -> torch.nn.Module:
    """(N, C, D, H, W) -> (N, C, *output_size), the maxima of that many parts; None keeps an axis."""
    return AdaptiveMaxPool(output_size, 3)


@layer(axes=(2, 3, 4))
def global_avgpool() -> torch.nn.Module:
    """(N, C, ...) -> (N, C), the mean of each channel."""
    return GlobalAvgPool()


@layer(axes=(2, 3, 4))
def global_maxpool() -> torch.nn.Module:
    """(N, C, ...) -> (N, C), the maximum of each channel."""
    return GlobalMaxPool()


@layer(axes=2)
def maxunpool1d(
    *, kernel_size: Whole1 | None = None, stride: Whole1 | None = None, padding: Count1 = 0
) -> torch.nn.Module:
    """(N, C, L') -> (N, C, L): undoes the nearest maxpool1d before it with return_indices that is not undone yet; zeros elsewhere."""
    return MaxUnpool(1, kernel_size, stride, padding)


@layer(axes=3, aliases=("maxunpool",))
def maxunpool2d(
    *, kernel_size: Whole2 | None = None, stride: Whole2 | None = None, padding: Count2 = 0
) -> torch.nn.Module:
    """(N, C, H', W') -> (N, C, H, W): undoes the nearest maxpool before it with return_indices that is not undone yet; zeros
    elsewhere."""
    return MaxUnpool(2, kernel_size, stride, padding)


def _check_padding(kernel_size: int | tuple[int, ...], padding: int | tuple[int, ...]) -> None:
    axes = len(kernel_size) if isinstance(kernel_size, tuple) else len(padding) if isinstance(padding, tuple) else 1
    kernels = kernel_size if isinstance(kernel_size, tuple) else (kernel_size,) * axes
    paddings = padding if isinstance(padding, tuple) else (padding,) * axes
    if any(2 * around > kernel for kernel, around in zip(kernels, paddings, strict=True)):
        raise ValueError(
            f"padding={padding} was given, but at most half of kernel_size={kernel_size} is allowed: a window must hold a value."
        )
