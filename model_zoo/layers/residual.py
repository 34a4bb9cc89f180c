"""Residual blocks (He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016, arXiv:1512.03385).

The bottleneck strides in its 3 x 3 convolution, as torchvision's ResNets do, and parameters have torchvision's names.
"""

from __future__ import annotations

import abc

import torch

__all__ = ["ResidualBlock", "ResidualBottleneck", "residual_stage"]


def _convolution(channels: int, filters: int, kernel_size: int, stride: int = 1) -> torch.nn.Conv2d:
    """Convolution without bias (the normalisation after it subtracts the mean); only `stride` reduces the size."""
    return torch.nn.Conv2d(channels, filters, kernel_size, stride, padding=kernel_size // 2, bias=False)


def _downsample(channels: int, filters: int, stride: int) -> torch.nn.Module:
    """Shortcut: identity, or a 1 x 1 convolution and batch normalisation where stride or channels differ."""
    if stride == 1 and channels == filters:
        return torch.nn.Identity()
    return torch.nn.Sequential(_convolution(channels, filters, 1, stride), torch.nn.BatchNorm2d(filters))


class _Residual(torch.nn.Module, abc.ABC):
    """ReLU(body(x) + downsample(x))."""

    downsample: torch.nn.Module

    @abc.abstractmethod
    def body(self, x: torch.Tensor) -> torch.Tensor:
        """Residual function F(x), of the block's output shape; subclasses define it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, H, W) -> (N, filters, ceil(H / stride), ceil(W / stride))."""
        return torch.relu(self.body(x) + self.downsample(x))


class ResidualBlock(_Residual):
    """Two 3 x 3 convolutions: (N, channels, H, W) -> (N, width, ceil(H / stride), ceil(W / stride)).

    Args:
        channels: of the input.
        width: channels of the output.
        stride: of the first convolution.
    """

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = _convolution(channels, width, 3, stride)
        self.bn1 = torch.nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, 3)
        self.bn2 = torch.nn.BatchNorm2d(width)
        self.downsample = _downsample(channels, width, stride)

    def body(self, x: torch.Tensor) -> torch.Tensor:
        """Convolution, normalisation, ReLU, convolution, normalisation."""
        result: torch.Tensor = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return result


class ResidualBottleneck(_Residual):
    """1 x 1, 3 x 3 and 1 x 1 convolutions: (N, channels, H, W) -> (N, 4 * width, ceil(H / stride), ceil(W / stride)).

    Args:
        channels: of the input.
        width: channels inside; the output has four times as many.
        stride: of the 3 x 3 convolution.
    """

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        filters = self.expansion * width
        super().__init__()
        self.conv1 = _convolution(channels, width, 1)
        self.bn1 = torch.nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, 3, stride)
        self.bn2 = torch.nn.BatchNorm2d(width)
        self.conv3 = _convolution(width, filters, 1)
        self.bn3 = torch.nn.BatchNorm2d(filters)
        self.downsample = _downsample(channels, filters, stride)

    def body(self, x: torch.Tensor) -> torch.Tensor:
        """1 x 1, 3 x 3 and 1 x 1 convolutions, each with batch normalisation; ReLU between them."""
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        result: torch.Tensor = self.bn3(self.conv3(x))
        return result


def residual_stage(
    block: type[ResidualBlock] | type[ResidualBottleneck],
    channels: int,
    width: int,
    num_blocks: int = 1,
    stride: int = 1,
) -> torch.nn.Sequential:
    """`num_blocks` blocks in a row: (N, channels, H, W) -> (N, block.expansion * width, H', W'); the first one strides."""
    first = block(channels, width, stride)
    return torch.nn.Sequential(first, *(block(block.expansion * width, width) for _ in range(num_blocks - 1)))
