"""Convolutions over one, two and three axes, transposed, depthwise and separable."""

from __future__ import annotations

from typing import Any, Literal

import torch

from model_zoo.layers.separable import SeparableConv2d
from toolkit.builder.layers.registry import layer
from toolkit.builder.layers.sizes import (
    Count1,
    Count2,
    Count3,
    PaddingMode,
    Size,
    Whole1,
    Whole2,
    Whole3,
    pair,
)

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "depthwise_conv2d",
    "separable_conv2d",
]


@layer(in_axis=0, axes=2)
def conv1d(
    *,
    size: Size,
    kernel_size: Whole1,
    stride: Whole1 = 1,
    padding: Count1 | Literal["same", "valid"] = 0,
    dilation: Whole1 = 1,
    groups: int = 1,
    bias: bool = True,
    padding_mode: PaddingMode = "zeros",
) -> torch.nn.Module:
    """(N, size[0], L) -> (N, size[1], L')."""
    given = _convolution(size, groups, stride, padding)
    return torch.nn.Conv1d(*given, kernel_size, stride, padding, dilation, groups, bias, padding_mode)


@layer(in_axis=0, axes=3)
def conv2d(
    *,
    size: Size,
    kernel_size: Whole2,
    stride: Whole2 = 1,
    padding: Count2 | Literal["same", "valid"] = 0,
    dilation: Whole2 = 1,
    groups: int = 1,
    bias: bool = True,
    padding_mode: PaddingMode = "zeros",
) -> torch.nn.Module:
    """(N, size[0], H, W) -> (N, size[1], H', W')."""
    given = _convolution(size, groups, stride, padding)
    return torch.nn.Conv2d(*given, kernel_size, stride, padding, dilation, groups, bias, padding_mode)


@layer(in_axis=0, axes=4)
def conv3d(
    *,
    size: Size,
    kernel_size: Whole3,
    stride: Whole3 = 1,
    padding: Count3 | Literal["same", "valid"] = 0,
    dilation: Whole3 = 1,
    groups: int = 1,
    bias: bool = True,
    padding_mode: PaddingMode = "zeros",
) -> torch.nn.Module:
    """(N, size[0], D, H, W) -> (N, size[1], D', H', W')."""
    given = _convolution(size, groups, stride, padding)
    return torch.nn.Conv3d(*given, kernel_size, stride, padding, dilation, groups, bias, padding_mode)


@layer(in_axis=0, axes=2)
def conv_transpose1d(
    *,
    size: Size,
    kernel_size: Whole1,
    stride: Whole1 = 1,
    padding: Count1 = 0,
    output_padding: Count1 = 0,
    groups: int = 1,
    bias: bool = True,
    dilation: Whole1 = 1,
) -> torch.nn.Module:
    """(N, size[0], L) -> (N, size[1], L'), longer by the stride."""
    given = _transposed(size, groups, stride, dilation, output_padding)
    return torch.nn.ConvTranspose1d(*given, kernel_size, stride, padding, output_padding, groups, bias, dilation)


@layer(in_axis=0, axes=3)
def conv_transpose2d(
    *,
    size: Size,
    kernel_size: Whole2,
    stride: Whole2 = 1,
    padding: Count2 = 0,
    output_padding: Count2 = 0,
    groups: int = 1,
    bias: bool = True,
    dilation: Whole2 = 1,
) -> torch.nn.Module:
    """(N, size[0], H, W) -> (N, size[1], H', W'), larger by the stride."""
    given = _transposed(size, groups, stride, dilation, output_padding)
    return torch.nn.ConvTranspose2d(*given, kernel_size, stride, padding, output_padding, groups, bias, dilation)


@layer(in_axis=0, axes=4)
def conv_transpose3d(
    *,
    size: Size,
    kernel_size: Whole3,
    stride: Whole3 = 1,
    padding: Count3 = 0,
    output_padding: Count3 = 0,
    groups: int = 1,
    bias: bool = True,
    dilation: Whole3 = 1,
) -> torch.nn.Module:
    """(N, size[0], D, H, W) -> (N, size[1], D', H', W'), larger by the stride."""
    given = _transposed(size, groups, stride, dilation, output_padding)
    return torch.nn.ConvTranspose3d(*given, kernel_size, stride, padding, output_padding, groups, bias, dilation)


@layer(in_axis=0, axes=3)
def depthwise_conv2d(
    *,
    size: Size | None = None,
    kernel_size: Whole2,
    stride: Whole2 = 1,
    padding: Count2 | Literal["same", "valid"] = 0,
    dilation: Whole2 = 1,
    bias: bool = True,
    padding_mode: PaddingMode = "zeros",
) -> torch.nn.Module:
    """(N, C, H, W) -> (N, m * C, H', W'): m kernels for each channel by itself; size = (C, m * C), C alone for m = 1."""
    channels, filters = size if isinstance(size, tuple) else (size or 1, size or 1)
    if filters % channels:
        raise ValueError(
            f"size=({channels}, {filters}) was given, but each of the {channels} channels makes equally many. "
            f"Let size[1] be a multiple of {channels}."
        )
    _check_same(padding, stride)
    return torch.nn.Conv2d(channels, filters, kernel_size, stride, padding, dilation, channels, bias, padding_mode)


@layer(in_axis=0, axes=3)
def separable_conv2d(
    *,
    size: Size,
    kernel_size: Whole2,
    stride: Whole2 = 1,
    padding: Count2 | Literal["same", "valid"] = 0,
    dilation: Whole2 = 1,
    multiplier: int = 1,
    bias: bool = True,
) -> torch.nn.Module:
    """(N, size[0], H, W) -> (N, size[1], H', W'): each channel by itself, then a 1 x 1 convolution across them."""
    _check_same(padding, stride)
    return SeparableConv2d(
        *pair(size), kernel_size, stride=stride, padding=padding, dilation=dilation, multiplier=multiplier, bias=bias
    )


def _convolution(size: Size, groups: int, stride: Any, padding: Any) -> tuple[int, int]:
    channels, filters = pair(size)
    _check_groups(channels, filters, groups)
    _check_same(padding, stride)
    return channels, filters


def _transposed(size: Size, groups: int, stride: Any, dilation: Any, output_padding: Any) -> tuple[int, int]:
    channels, filters = pair(size)
    _check_groups(channels, filters, groups)
    for extra, step, spread in zip(*map(_three, (output_padding, stride, dilation)), strict=True):
        if extra >= max(step, spread):
            raise ValueError(
                f"output_padding={output_padding} was given; it must be smaller than the stride (={step}) or the dilation "
                f"(={spread})."
            )
    return channels, filters


def _check_groups(channels: int, filters: int, groups: int) -> None:
    for what, number in (("in", channels), ("out", filters)):
        if number % groups:
            raise ValueError(
                f"groups={groups} was given, which does not divide the {number} channels that go {what}. Choose a divisor of both."
            )


def _check_same(padding: Any, stride: Any) -> None:
    if padding == "same" and max(_three(stride)) > 1:
        raise ValueError(
            f"padding='same' needs a stride of 1, but stride={stride} was given. Give the padding in numbers."
        )


def _three(value: int | tuple[int, ...]) -> tuple[int, ...]:
    """One number per axis, for up to three axes."""
    return (value,) * 3 if isinstance(value, int) else (*value, *value, *value)[:3]
