"""Depthwise separable convolution (Sifre, "Rigid-motion scattering for image classification", 2014; Chollet, "Xception", 2017)."""

from __future__ import annotations

import torch

__all__ = ["SeparableConv2d"]


class SeparableConv2d(torch.nn.Sequential):
    """(N, in_channels, H, W) -> (N, out_channels, H', W'): each channel by itself, then 1 x 1 across the channels.

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        kernel_size, stride, padding, dilation: of the first convolution, as in torch.nn.Conv2d.
        multiplier: kernels for each channel.
        bias: of the second convolution; the first has none, as the second would take it over.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        multiplier: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        inner = in_channels * multiplier
        self.add_module(
            "depthwise",
            torch.nn.Conv2d(in_channels, inner, kernel_size, stride, padding, dilation, groups=in_channels, bias=False),
        )
        self.add_module("pointwise", torch.nn.Conv2d(inner, out_channels, 1, bias=bias))
