"""Normalisation over the batch, over each input, over groups of channels and over neighbouring channels."""

from __future__ import annotations

import torch

from toolkit.builder.arguments import Positive, Probability
from toolkit.builder.layers.registry import layer

__all__ = [
    "batchnorm1d",
    "batchnorm2d",
    "batchnorm3d",
    "groupnorm",
    "instancenorm1d",
    "instancenorm2d",
    "instancenorm3d",
    "layernorm",
    "local_response_norm",
]


@layer(in_axis=0, axes=(1, 2))
def batchnorm1d(
    *,
    size: int | None = None,
    eps: Positive = 1e-5,
    momentum: Probability | None = 0.1,
    affine: bool = True,
    track_running_stats: bool = True,
) -> torch.nn.Module:
    """(N, size) or (N, size, L) -> the same shape, each feature normalised over the batch."""
    return torch.nn.BatchNorm1d(_inferred(size), eps, momentum, affine, track_running_stats)


@layer(in_axis=0, axes=3)
def batchnorm2d(
    *,
    size: int | None = None,
    eps: Positive = 1e-5,
    momentum: Probability | None = 0.1,
    affine: bool = True,
    track_running_stats: bool = True,
) -> torch.nn.Module:
    """(N, size, H, W) -> the same shape, each channel normalised over the batch."""
    return torch.nn.BatchNorm2d(_inferred(size), eps, momentum, affine, track_running_stats)


@layer(in_axis=0, axes=4)
def batchnorm3d(
    *,
    size: int | None = None,
    eps: Positive = 1e-5,
    momentum: Probability | None = 0.1,
    affine: bool = True,
    track_running_stats: bool = True,
) -> torch.nn.Module:
    """(N, size, D, H, W) -> the same shape, each channel normalised over the batch."""
    return torch.nn.BatchNorm3d(_inferred(size), eps, momentum, affine, track_running_stats)


@layer()
def layernorm(
    *,
    size: int | tuple[int, ...] | None = None,
    in_shape: tuple[int, ...],
    eps: Positive = 1e-5,
    elementwise_affine: bool = True,
    bias: bool = True,
) -> torch.nn.Module:
    """The same shape, each input normalised over its last axes: `size`, or else the features of (N, F) and (N, L, F), and all
    of (N, C, H, W)."""
    if size is None:
        size = in_shape if len(in_shape) > 2 else in_shape[-1:]
    return torch.nn.LayerNorm(size, eps, elementwise_affine, bias)


@layer(in_axis=0)
def groupnorm(
    *, num_groups: int, size: int | None = None, eps: Positive = 1e-5, affine: bool = True
) -> torch.nn.Module:
    """(N, size, ...) -> the same shape, the channels of each input normalised in `num_groups` groups."""
    channels = _inferred(size)
    if channels % num_groups:
        raise ValueError(
            f"num_groups={num_groups} was given, which does not divide the {channels} channels that arrive. Choose a divisor."
        )
    return torch.nn.GroupNorm(num_groups, channels, eps, affine)


@layer(in_axis=0, axes=2)
def instancenorm1d(
    *,
    size: int | None = None,
    eps: Positive = 1e-5,
    momentum: Probability | None = 0.1,
    affine: bool = False,
    track_running_stats: bool = False,
) -> torch.nn.Module:
    """(N, size, L) -> the same shape, each channel of each input normalised."""
    return torch.nn.InstanceNorm1d(_inferred(size), eps, momentum, affine, track_running_stats)  # type: ignore[arg-type]


@layer(in_axis=0, axes=3)
def instancenorm2d(
    *,
    size: int | None = None,
    eps: Positive = 1e-5,
    momentum: Probability | None = 0.1,
    affine: bool = False,
    track_running_stats: bool = False,
) -> torch.nn.Module:
    """(N, size, H, W) -> the same shape, each channel of each picture normalised."""
    return torch.nn.InstanceNorm2d(_inferred(size), eps, momentum, affine, track_running_stats)  # type: ignore[arg-type]


@layer(in_axis=0, axes=4)
def instancenorm3d(
    *,
    size: int | None = None,
    eps: Positive = 1e-5,
    momentum: Probability | None = 0.1,
    affine: bool = False,
    track_running_stats: bool = False,
) -> torch.nn.Module:
    """(N, size, D, H, W) -> the same shape, each channel of each input normalised."""
    return torch.nn.InstanceNorm3d(_inferred(size), eps, momentum, affine, track_running_stats)  # type: ignore[arg-type]


@layer(axes=(2, 3, 4))
def local_response_norm(*, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> torch.nn.Module:
    """(N, C, ...) -> the same shape, each value divided by those of `size` neighbouring channels (Krizhevsky et al., 2012)."""
    return torch.nn.LocalResponseNorm(size, alpha, beta, k)


def _inferred(size: int | None) -> int:
    """`size`, which the builder has filled in. Raises ValueError for None."""
    if size is None:
        raise ValueError("size was not given; the number of channels is expected.")
    return size
