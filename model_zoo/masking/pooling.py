"""Global and adaptive pooling over the real steps."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from model_zoo.layers.adaptive_pool import AdaptiveAvgPool, AdaptiveMaxPool
from model_zoo.layers.global_pool import GlobalAvgPool, GlobalMaxPool
from model_zoo.masking.padding import Padding
from model_zoo.masking.registry import masked

__all__ = ["adaptive_average", "adaptive_maximum", "global_average", "global_maximum"]

_Result = tuple[torch.Tensor, Padding | None]


@masked(GlobalAvgPool)
def global_average(run: Any, layer: GlobalAvgPool, x: torch.Tensor, padding: Padding) -> _Result:
    """(N, C, ...) -> (N, C), the mean over the real steps."""
    if padding.axis < 2:
        return run(padding.filled(x)), None
    real = padding.over(x).expand(-1, 1, *x.shape[2:]).flatten(2)  # (N, 1, positions)
    return padding.filled(x).flatten(2).sum(2) / real.sum(2).clamp(min=1).to(x.dtype), None


@masked(GlobalMaxPool)
def global_maximum(run: Any, layer: GlobalMaxPool, x: torch.Tensor, padding: Padding) -> _Result:
    """(N, C, ...) -> (N, C), the maximum over the real steps."""
    return run(padding.filled(x, torch.finfo(x.dtype).min if padding.axis > 1 else 0.0)), None


@masked(AdaptiveAvgPool, torch.nn.AdaptiveAvgPool1d, torch.nn.AdaptiveAvgPool2d, torch.nn.AdaptiveAvgPool3d)
def adaptive_average(run: Any, layer: Any, x: torch.Tensor, padding: Padding) -> _Result:
    """(N, C, ...) -> (N, C, *output_size), the means of parts of the real steps."""
    return _adaptive(run, layer, x, padding, average=True)


@masked(AdaptiveMaxPool, torch.nn.AdaptiveMaxPool1d, torch.nn.AdaptiveMaxPool2d, torch.nn.AdaptiveMaxPool3d)
def adaptive_maximum(run: Any, layer: Any, x: torch.Tensor, padding: Padding) -> _Result:
    """(N, C, ...) -> (N, C, *output_size), the maxima of parts of the real steps."""
    return _adaptive(run, layer, x, padding, average=False)


def _adaptive(run: Any, layer: Any, x: torch.Tensor, padding: Padding, *, average: bool) -> _Result:
    """Pool along the steps in parts of each row's own length, then along the other axes."""
    size = layer.output_size
    cells = list(size) if isinstance(size, tuple | list) else [size] * (x.ndim - 2)
    if padding.axis < 2:
        return run(padding.filled(x)), None
    place = padding.axis - 2
    count = cells[place]
    rest: Padding | None = padding
    if count is not None:
        parts = _parts(padding, count)  # (N, count, L)
        steps = padding.filled(x).movedim(padding.axis, -1)  # (N, C, ..., L)
        shape = steps.shape[:-1]
        steps = steps.flatten(1, -2)  # (N, rows, L)
        if average:
            shares = parts.to(x.dtype) / parts.sum(2, keepdim=True).clamp(min=1).to(x.dtype)
            pooled = steps @ shares.transpose(1, 2)
        else:
            pooled = torch.where(parts[:, None], steps[:, :, None], torch.finfo(x.dtype).min).amax(3)
        x, rest = pooled.reshape(*shape, count).movedim(-1, padding.axis), None
    others = [None if axis == place else number for axis, number in enumerate(cells)]
    if any(number is not None for number in others):
        pool = getattr(functional, f"adaptive_{'avg' if average else 'max'}_pool{len(cells)}d")
        lengths = zip(others, x.shape[2:], strict=True)
        x = pool(x, [length if number is None else number for number, length in lengths])
    return x, rest


def _parts(padding: Padding, count: int) -> torch.Tensor:
    """(N, count, L) bool: part i of l steps covers floor(i * l / count) to ceil((i + 1) * l / count)."""
    lengths = padding.lengths[:, None]  # (N, 1)
    number = torch.arange(count, device=lengths.device)
    starts = (number * lengths).div(count, rounding_mode="floor")[:, :, None]
    ends = ((number + 1) * lengths + count - 1).div(count, rounding_mode="floor")[:, :, None]
    places = torch.arange(padding.mask.shape[1], device=lengths.device)
    return (places >= starts) & (places < ends)
