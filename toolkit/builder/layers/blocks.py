"""Blocks of ResNet and GoogLeNet as layers."""

from __future__ import annotations

import torch

from model_zoo import Inception, ResidualBlock, ResidualBottleneck, residual_stage
from toolkit.builder.layers.registry import layer
from toolkit.builder.layers.sizes import Size, pair

__all__ = ["inception", "res_block", "res_bottleneck"]


@layer(in_axis=0, axes=3)
def res_block(*, size: Size, num_blocks: int = 1, stride: int = 1) -> torch.nn.Module:
    """(N, size[0], H, W) -> (N, size[1], H', W'): ResNet's blocks of two convolutions; the first block strides."""
    return residual_stage(ResidualBlock, *pair(size), num_blocks, stride)


@layer(in_axis=0, axes=3)
def res_bottleneck(*, size: Size, num_blocks: int = 1, stride: int = 1) -> torch.nn.Module:
    """(N, size[0], H, W) -> (N, 4 * size[1], H', W'): ResNet's blocks of three convolutions, narrow inside."""
    return residual_stage(ResidualBottleneck, *pair(size), num_blocks, stride)


@layer(in_axis=0, axes=3)
def inception(
    *,
    size: Size,
    branch1x1: int | None = None,
    branch3x3: tuple[int, int] | None = None,
    branch5x5: tuple[int, int] | None = None,
    branch_pool: int | None = None,
) -> torch.nn.Module:
    """(N, size[0], H, W) -> (N, size[1], H, W): GoogLeNet's four branches, in its proportions or with the filters given."""
    channels, filters = pair(size)
    if branch1x1 is None and branch3x3 is None and branch5x5 is None and branch_pool is None:
        return Inception.of_width(channels, filters)
    if branch1x1 is None or branch3x3 is None or branch5x5 is None or branch_pool is None:
        raise ValueError("branch1x1, branch3x3, branch5x5 and branch_pool belong together. Give all four, or none.")
    block = Inception(channels, branch1x1, branch3x3, branch5x5, branch_pool)
    if filters != block.out_channels:
        raise ValueError(f"size={size} was given, but the branches have {block.out_channels} filters together.")
    return block
