"""Convolutions, window pooling, edges and stretching: padded steps are as what lies beyond a sequence's end.

A sequence that is shorter than a window counts as one window.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from model_zoo.layers.padding import Pad
from model_zoo.masking.padding import Padding
from model_zoo.masking.registry import masked

__all__ = ["average_pool", "convolution", "edges", "maximum_pool", "transposed_convolution", "upsample"]

_Result = tuple[torch.Tensor, Padding | None]


def _at(value: Any, place: int) -> int:
    """The number of one axis, of one number for all axes or one for each."""
    found = value[place if len(value) > 1 else 0] if isinstance(value, tuple | list) else value
    return int(found)


@masked(torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
def convolution(run: Any, layer: torch.nn.Conv1d, x: torch.Tensor, padding: Padding) -> _Result:
    """(N, C, ...) -> (N, C', ...): padded steps count as the zeros, or the edge, that the layer pads with."""
    if padding.axis < 2:
        return run(padding.filled(x)), None
    place = padding.axis - 2
    kernel, stride, dilation = (layer.kernel_size[place], layer.stride[place], layer.dilation[place])
    span = dilation * (kernel - 1)
    # torch keeps what "same" pads in the order that functional.pad takes: the last axis first
    before, after = layer._reversed_padding_repeated_twice[2 * (x.ndim - 1 - padding.axis) :][:2]
    lengths = (padding.lengths + before + after - span - 1).div(stride, rounding_mode="floor") + 1
    result = run(padding.filled(x)) if layer.padding_mode == "zeros" else _with_edges(layer, x, padding)
    return result, padding.shaped(lengths, result)


def _with_edges(layer: torch.nn.Conv1d, x: torch.Tensor, padding: Padding) -> torch.Tensor:
    """A convolution whose padding comes from each row's own steps."""
    pads = list(layer._reversed_padding_repeated_twice)
    place = 2 * (x.ndim - 1 - padding.axis)
    x = _edged(padding.filled(x), padding, pads[place], pads[place + 1], layer.padding_mode)
    pads[place : place + 2] = [0, 0]
    if any(pads):
        x = functional.pad(x, pads, layer.padding_mode)
    convolve = getattr(functional, f"conv{x.ndim - 2}d")
    found: torch.Tensor = convolve(x, layer.weight, layer.bias, layer.stride, 0, layer.dilation, layer.groups)
    return found


def _edged(x: torch.Tensor, padding: Padding, before: int, after: int, mode: str, value: float = 0.0) -> torch.Tensor:
    """Longer steps: `before` in front of each row's own and `after` behind them, by the mode of torch's padding."""
    length = x.shape[padding.axis]
    last = padding.lengths[:, None] - 1  # (N, 1)
    places = torch.arange(length + before + after, device=x.device) - before
    if mode == "circular":
        source = places.remainder(last + 1)
    elif mode == "reflect":
        source = places.abs().minimum(2 * last - places.abs())
    else:  # replicate, and constant, whose edge is written below
        source = places.minimum(last)
    source = source.clamp(min=0).minimum(last)  # (N, L + before + after)
    steps = x.movedim(padding.axis, 1)
    index = source.reshape(*source.shape, *(1,) * (steps.ndim - 2)).expand(-1, -1, *steps.shape[2:])
    found = steps.gather(1, index)
    if mode == "constant":
        inside = (places >= 0) & (places <= last)
        found = torch.where(inside.reshape(*source.shape, *(1,) * (steps.ndim - 2)), found, value)
    return found.movedim(1, padding.axis)


@masked(Pad)
def edges(run: Any, layer: Pad, x: torch.Tensor, padding: Padding) -> _Result:
    """The edge lies at each row's own end."""
    axes = x.ndim - 2
    pads = [layer.padding] * (2 * axes) if isinstance(layer.padding, int) else list(layer.padding)
    if padding.axis < 2 or len(pads) != 2 * axes:
        return run(padding.filled(x)), None
    place = 2 * (x.ndim - 1 - padding.axis)
    before, after = pads[place : place + 2]
    pads[place : place + 2] = [0, 0]
    x = _edged(padding.filled(x), padding, before, after, layer.mode, layer.value)
    if any(pads):
        x = functional.pad(x, pads, layer.mode, layer.value if layer.mode == "constant" else None)
    return x, padding.shaped(padding.lengths + before + after, x)


@masked(torch.nn.ConvTranspose1d, torch.nn.ConvTranspose2d, torch.nn.ConvTranspose3d)
def transposed_convolution(run: Any, layer: torch.nn.ConvTranspose1d, x: torch.Tensor, padding: Padding) -> _Result:
    """(N, C, ...) -> (N, C', ...): each row as long as its own steps make it."""
    result = run(padding.filled(x))
    if padding.axis < 2:
        return result, None
    place = padding.axis - 2
    lengths = (padding.lengths - 1) * layer.stride[place] - 2 * _at(layer.padding, place)
    lengths = lengths + layer.dilation[place] * (layer.kernel_size[place] - 1) + layer.output_padding[place] + 1
    return result, padding.shaped(lengths, result)


def _pooled(layer: Any, lengths: torch.Tensor, place: int) -> torch.Tensor:
    """(N,) steps -> (N,) windows."""
    kernel, pad = _at(layer.kernel_size, place), _at(layer.padding, place)
    stride = _at(layer.stride, place) or kernel
    span = _at(getattr(layer, "dilation", 1), place) * (kernel - 1) + 1
    spare = stride - 1 if layer.ceil_mode else 0
    count = (lengths + 2 * pad - span + spare).div(stride, rounding_mode="floor") + 1
    # no window begins in the far padding
    return torch.where((count - 1) * stride >= lengths + pad, count - 1, count) if layer.ceil_mode else count


@masked(torch.nn.MaxPool1d, torch.nn.MaxPool2d, torch.nn.MaxPool3d)
def maximum_pool(run: Any, layer: torch.nn.MaxPool1d, x: torch.Tensor, padding: Padding) -> Any:
    """(N, C, ...) -> (N, C, ...): padded steps never are the maximum. With `return_indices` the result is a pair."""
    if padding.axis < 2:
        return run(padding.filled(x)), None
    result = run(padding.filled(x, torch.finfo(x.dtype).min))
    values = result[0] if isinstance(result, tuple) else result
    after = padding.shaped(_pooled(layer, padding.lengths, padding.axis - 2), values)
    values = after.filled(values)
    return ((values, *result[1:]) if isinstance(result, tuple) else values), after


@masked(torch.nn.AvgPool1d, torch.nn.AvgPool2d, torch.nn.AvgPool3d)
def average_pool(run: Any, layer: torch.nn.AvgPool1d, x: torch.Tensor, padding: Padding) -> _Result:
    """(N, C, ...) -> (N, C, ...): the mean of what each window has of a row's own steps."""
    result = run(padding.filled(x))
    if padding.axis < 2:
        return result, None
    place = padding.axis - 2
    lengths = padding.lengths
    after = padding.shaped(_pooled(layer, lengths, place), result)
    if getattr(layer, "divisor_override", None) or (layer.count_include_pad and not layer.ceil_mode):
        return result, after
    kernel, pad = _at(layer.kernel_size, place), _at(layer.padding, place)
    starts = torch.arange(result.shape[padding.axis], device=x.device) * (_at(layer.stride, place) or kernel) - pad

    def divisors(length: Any) -> torch.Tensor:
        """Steps that the mean of each window is divided by, where so many steps arrive."""
        ends = (starts + kernel).minimum(length + pad)
        if not layer.count_include_pad:
            return (ends.minimum(length) - starts.clamp(min=0)).clamp(min=1)
        return (ends - starts).clamp(min=1)

    whole = torch.full_like(lengths[:, None], 1) * x.shape[padding.axis]
    factor = divisors(whole).to(x.dtype) / divisors(lengths[:, None]).to(x.dtype)  # (N, L')
    return result * Padding(factor, padding.axis).over(result), after


@masked(torch.nn.Upsample)
def upsample(run: Any, layer: torch.nn.Upsample, x: torch.Tensor, padding: Padding) -> _Result:
    """(N, C, ...) -> (N, C, ...): rows keep their share of the steps; their last step stands behind their end."""
    scale = layer.scale_factor
    if padding.axis < 2 or scale is None or layer.align_corners or layer.mode == "bicubic":
        return run(padding.filled(x)), None
    times = float(scale[padding.axis - 2] if isinstance(scale, tuple) else scale)
    result = run(_edged(padding.filled(x), padding, 0, 0, "replicate"))
    return result, padding.shaped((padding.lengths.double() * times).floor().long(), result)
