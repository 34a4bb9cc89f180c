"""Numeric functions of torch without an ONNX function, or with one for few lengths only, rewritten by others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from exporters.tracing.forms.functions import function_form

__all__ = ["affine_grid", "distances", "median", "product_so_far", "search_sorted", "smallest"]


@function_form(torch.cdist)
def distances(x1: torch.Tensor, x2: torch.Tensor, p: float = 2.0, compute_mode: str | None = None) -> torch.Tensor:
    """Pairwise p-norm distances (cdist): (..., P, M), (..., R, M) -> (..., P, R). torch itself chooses by the number of rows."""
    difference = (x1.unsqueeze(-2) - x2.unsqueeze(-3)).abs()
    if p == 0:
        return (difference != 0).to(x1.dtype).sum(-1)
    if p == math.inf:
        return difference.amax(-1)
    return difference.sum(-1) if p == 1 else difference.pow(p).sum(-1).pow(1 / p)


def _so_far(
    input: torch.Tensor, dim: int, neutral: float, reduce: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Cumulative reduction of positions 0 .. i for every i, over all pairs of positions at once, (..., L, L)."""
    last = input.movedim(dim, -1)
    numbers = torch.arange(last.shape[-1], device=input.device)
    pairs = torch.where(numbers <= numbers[:, None], last.unsqueeze(-2), torch.full((), neutral, dtype=input.dtype))
    return reduce(pairs).movedim(-1, dim)


@function_form(torch.cumprod, torch.Tensor.cumprod)
def product_so_far(input: torch.Tensor, dim: int, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Cumulative product of positions 0 .. i, for every i; exact for zeros and signs, as a sum of logarithms is not."""
    given = input if dtype is None else input.to(dtype)
    return _so_far(given, dim, 1, lambda pairs: pairs.prod(-1))


@function_form(torch.median, torch.Tensor.median)
def median(input: torch.Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Median (the lower of two middle values), and its position."""
    if dim is None:
        flat = input.flatten()
        return flat.sort().values[(flat.shape[0] - 1) // 2]
    return smallest(input, (input.shape[dim] + 1) // 2, dim, keepdim)


@function_form(torch.kthvalue, torch.Tensor.kthvalue)
def smallest(input: torch.Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The k-th smallest value along an axis, counted from 1, and its position."""
    place = torch.full((1,), k - 1, dtype=torch.int64, device=input.device)  # k may be half of a dynamic length
    found = [part.index_select(dim, place) for part in input.sort(dim)]
    kept = found if keepdim else [part.squeeze(dim) for part in found]
    return torch.return_types.median((kept[0], kept[1]))


@function_form(torch.searchsorted)
def search_sorted(
    sorted_sequence: torch.Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: torch.Tensor | None = None,
) -> Any:
    """Insertion positions (..., V): number of entries (..., K) below each value (..., V), or equal where `right`."""
    if sorter is not None or not isinstance(input, torch.Tensor):
        return NotImplemented
    entries = sorted_sequence if sorted_sequence.ndim == 1 else sorted_sequence.unsqueeze(-2)
    values = input.unsqueeze(-1)
    before = entries <= values if right or side == "right" else entries < values
    return before.sum(-1).to(torch.int32 if out_int32 else torch.int64)


@function_form(functional.affine_grid)
def affine_grid(theta: torch.Tensor, size: Any, align_corners: bool | None = None) -> Any:
    """Affine sampling grid (N, 2, 3) -> (N, H, W, 2): source position of each pixel, in -1 .. 1."""
    if len(size) != 4:
        return NotImplemented

    def positions(length: Any) -> torch.Tensor:
        steps = torch.arange(length, device=theta.device).to(theta.dtype)
        placed: torch.Tensor = steps * 2 / (length - 1) - 1 if align_corners else (steps * 2 + 1) / length - 1
        return placed

    height, width = size[-2:]
    rows, columns = positions(height)[:, None], positions(width)[None, :]
    ones = torch.ones_like(rows * columns)
    base = torch.stack([columns * ones, rows * ones, ones], -1).flatten(0, 1)  # (H * W, 3)
    return (base @ theta.transpose(1, 2)).reshape(-1, height, width, 2)
