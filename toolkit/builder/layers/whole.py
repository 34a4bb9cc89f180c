"""Whole networks, each one a layer."""

from __future__ import annotations

from typing import Literal

import torch

from model_zoo import MLP, DiffusionModel, LeNet, UNet
from toolkit.builder.layers.registry import layer
from toolkit.builder.layers.sizes import Size, pair

__all__ = ["diffusion_model", "lenet", "mlp", "unet"]


@layer(axes=3)
def lenet(*, num_classes: int, in_shape: tuple[int, int, int]) -> torch.nn.Module:
    """(N, C, H, W) -> (N, num_classes) logits: LeNet-5 for pictures of at least 12 x 12."""
    return LeNet(in_shape, num_classes)


@layer()
def mlp(*, out_features: int, in_shape: tuple[int, ...], hidden: tuple[int, ...] = (64, 32)) -> torch.nn.Module:
    """(N, ...) -> (N, out_features): linear layers with ReLU between them."""
    return MLP(in_shape, out_features, hidden)


@layer(in_axis=0, axes=3)
def unet(*, size: Size, depth: int = 4, width: int = 64) -> torch.nn.Module:
    """(N, size[0], H, W) -> (N, size[1], H, W): a map of the same height and width, such as a class for each pixel."""
    return UNet(*pair(size), depth, width)


@layer(axes=3)
def diffusion_model(
    *,
    in_shape: tuple[int, int, int],
    img_size: int | None = None,
    timestep: int = 500,
    dim: int = 64,
    dim_mults: tuple[int, ...] = (1, 2, 2),
    schedule: Literal["linear", "cosine"] = "linear",
) -> torch.nn.Module:
    """(N, C, img_size, img_size) noisy pictures -> the noise in them, of the same shape. It learns without targets."""
    channels, height, width = in_shape
    if height != width or img_size not in (None, height):
        asked = "" if img_size is None else f"img_size={img_size} was given, and "
        raise ValueError(f"{asked}square pictures are expected; they are {height} x {width}. Resize them.")
    return DiffusionModel(height, channels, timestep, dim, dim_mults, schedule)
