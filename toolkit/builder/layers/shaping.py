"""Shape layers: flatten, reshape, squeeze, unsqueeze, permute, transpose, upsample."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import torch

from model_zoo.layers.shaping import First, LastStep, Permute, Reshape, Squeeze, Unsqueeze
from toolkit.builder.arguments import Axis, Interval, Positive
from toolkit.builder.layers.registry import layer

__all__ = [
    "flatten",
    "identity",
    "part0",
    "permute",
    "reshape",
    "squeeze",
    "transpose",
    "unsqueeze",
    "upsample",
]

Length: TypeAlias = Annotated[int, Interval(low=-1)]


@layer(dtype="any")
def identity() -> torch.nn.Module:
    """The same shape, the same values."""
    return torch.nn.Identity()


@layer(dtype="any")
def flatten(*, start_dim: Axis = 1, end_dim: Axis = -1) -> torch.nn.Module:
    """(N, ...) -> (N, features), or the axes from start_dim to end_dim as one; the batch axis is axis 0."""
    if start_dim == 0:
        raise ValueError("start_dim=0 was given, which is the batch axis. Start at axis 1 or later.")
    return torch.nn.Flatten(start_dim, end_dim)


@layer(dtype="any")
def reshape(*, size: Length | tuple[Length, ...] = -1) -> torch.nn.Module:
    """(N, ...) -> (N, *size); one -1 stands for what is left. Without a size (N, features)."""
    lengths = size if isinstance(size, tuple) else (size,)
    if 0 in lengths or lengths.count(-1) > 1 or not lengths:
        raise ValueError(f"size={size} was given; lengths of at least 1 are expected, and -1 once at most.")
    return Reshape(lengths)


@layer(dtype="any")
def squeeze(*, dim: Axis | None = None) -> torch.nn.Module:
    """Without dim (N, 1, F) -> (N, F), the undoing of `unsqueeze`; else axis `dim`, of length 1, goes; axis 0 is the batch."""
    if dim == 0:
        raise ValueError("dim=0 was given, which is the batch axis. Give axis 1 or later.")
    return Squeeze(dim)


@layer(dtype="any")
def unsqueeze(*, dim: Axis | None = None) -> torch.nn.Module:
    """Without dim (N, L, F) -> (N, 1, F), the last step of a sequence; else a new axis of length 1 at `dim`, shape otherwise kept."""
    if dim == 0:
        raise ValueError("dim=0 was given, which is the batch axis. Give axis 1 or later.")
    return LastStep(keep_axis=True) if dim is None else Unsqueeze(dim)


@layer(dtype="any")
def permute(*, dims: tuple[Axis, ...]) -> torch.nn.Module:
    """(N, ...) -> its axes in the order `dims`, such as (0, 2, 1) for (N, L, F) -> (N, F, L); the batch axis 0 stays first."""
    if not dims or dims[0] != 0:
        raise ValueError(f"dims={dims} was given; the batch axis 0 must stay first.")
    return Permute(dims)


@layer(dtype="any")
def transpose(*, dim0: Axis, dim1: Axis) -> torch.nn.Module:
    """(N, ...) -> the axes dim0 and dim1 exchanged; the batch axis 0 stays, shape otherwise kept."""
    if 0 in (dim0, dim1):
        raise ValueError(f"dim0={dim0}, dim1={dim1} was given; axis 0 is the batch and stays. Give axes from 1 on.")
    return Permute.exchange(dim0, dim1)


@layer(dtype="any")
def part0() -> torch.nn.Module:
    """The first of several outputs of the module before; one output keeps its shape."""
    return First()


@layer(axes=(2, 3, 4), aliases=("interpolate",))
def upsample(
    *,
    size: int | tuple[int, ...] | None = None,
    scale_factor: Positive | tuple[Positive, ...] | None = None,
    mode: Literal["nearest", "linear", "bilinear", "bicubic", "trilinear"] = "nearest",
    align_corners: bool | None = None,
) -> torch.nn.Module:
    """(N, C, ...) -> (N, C, *size), or each length times scale_factor; linear for 1, bilinear and bicubic for 2, trilinear for 3
    axes."""
    if (size is None) == (scale_factor is None):
        raise ValueError(f"size={size} and scale_factor={scale_factor} were given; exactly one of them is expected.")
    if mode == "nearest" and align_corners is not None:
        raise ValueError("align_corners was given with mode='nearest', which has no use for it. Leave it out.")
    return torch.nn.Upsample(size, scale_factor, mode, align_corners)
