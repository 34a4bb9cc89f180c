"""Adaptive pooling to any size over any lengths, which torch exports only where the cells divide a fixed length.

Output position i of n covers the input positions floor(i * L / n) .. ceil((i + 1) * L / n) - 1 of an axis of length L
(torch's own definition). Windows are boxes, so the axes are pooled one after the other: an average is a product with a
matrix (L, n), a maximum a gather of each window's positions and their maximum. Both are worked out from L in the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch.nn import functional

from exporters.tracing.forms.functions import function_form
from exporters.tracing.forms.registry import form
from model_zoo.layers.adaptive_pool import AdaptiveAvgPool, AdaptiveMaxPool

__all__ = ["adaptive_average", "adaptive_maximum"]

Length: TypeAlias = "int | torch.SymInt"
Size: TypeAlias = "Length | Sequence[Length | None] | None"


def adaptive_average(input: torch.Tensor, output_size: Size, axes: int) -> torch.Tensor:
    """Adaptive average pooling (..., L1, ...) -> (..., size1, ...) of the last `axes` axes; None keeps an axis."""
    return _pooled(input, output_size, axes, _average_axis)


def adaptive_maximum(input: torch.Tensor, output_size: Size, axes: int) -> torch.Tensor:
    """Adaptive maximum pooling, with the arguments of `adaptive_average`."""
    return _pooled(input, output_size, axes, _maximum_axis)


def _pooled(
    input: torch.Tensor, output_size: Size, axes: int, pool: Callable[[torch.Tensor, int, Length], torch.Tensor]
) -> torch.Tensor:
    for axis, count in zip(range(input.ndim - axes, input.ndim), _each(output_size, axes), strict=True):
        if count is not None and not _is_same(count, input.shape[axis]):
            input = pool(input, axis, count)
    return input


def _windows(length: Length, count: Length, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Window bounds: the first position of every window, and the one after its last, (n,) each."""
    numbers = torch.arange(count, device=device)
    cells: Any = count
    starts = (numbers * length) // cells
    return starts, ((numbers + 1) * length + (cells - 1)) // cells


def _average_axis(input: torch.Tensor, axis: int, count: Length) -> torch.Tensor:
    """Average one axis by a product with a matrix (L, n) of 1 / (window length) inside each window."""
    if _is_same(count, 1):
        return input.mean(axis, keepdim=True)
    starts, ends = _windows(input.shape[axis], count, input.device)
    positions = torch.arange(input.shape[axis], device=input.device)[:, None]
    inside = ((positions >= starts) & (positions < ends)).to(input.dtype)  # (L, n)
    return (input.movedim(axis, -1) @ (inside / (ends - starts).to(input.dtype))).movedim(-1, axis)


def _maximum_axis(input: torch.Tensor, axis: int, count: Length) -> torch.Tensor:
    """Maximum over one axis: gather the windows, the shorter ones filled up with their last position, and reduce."""
    if _is_same(count, 1):
        return input.amax(axis, keepdim=True)
    length = input.shape[axis]
    starts, ends = _windows(length, count, input.device)
    # a window of ceil(L / n) + 1 positions is the longest that there can be
    steps = torch.arange((length + count - 1) // count + 1, device=input.device)
    positions = torch.minimum(starts[:, None] + steps, ends[:, None] - 1)  # (n, longest)
    shape = (*input.shape[:axis], *positions.shape, *input.shape[axis + 1 :])
    return input.index_select(axis, positions.flatten()).reshape(shape).amax(axis + 1)


def _exports_well(input: torch.Tensor, output_size: Size, axes: int) -> bool:
    """Test for pooling that exports as one node: global, or cells that divide fixed lengths."""
    sizes, lengths = _each(output_size, axes), input.shape[input.ndim - axes :]
    if all(_is_same(count, 1) for count in sizes) and len({*sizes}) == 1:
        return all(isinstance(length, int) for length in lengths)
    return all(
        isinstance(length, int) and (count is None or (isinstance(count, int) and length % count == 0))
        for length, count in zip(lengths, sizes, strict=True)
    )


def _register(axes: int, pool: Callable[[torch.Tensor, Any, int], torch.Tensor], *functions: Any) -> None:
    @function_form(*functions)
    def pooled(input: torch.Tensor, output_size: Any, return_indices: bool = False) -> Any:
        if return_indices or _exports_well(input, output_size, axes):
            return NotImplemented
        return pool(input, output_size, axes)


for _axes in (1, 2, 3):
    _average = getattr(functional, f"adaptive_avg_pool{_axes}d")
    _register(_axes, adaptive_average, _average)
    _register(_axes, adaptive_maximum, getattr(functional, f"adaptive_max_pool{_axes}d"))


@function_form(functional.interpolate)
def area_interpolation(
    input: torch.Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """`mode="area"` is adaptive average pooling; every other mode has an operator of its own."""
    axes = input.ndim - 2
    if mode != "area":
        return NotImplemented
    if size is None:
        factors = _each(scale_factor, axes)
        size = [
            int(length * factor) if isinstance(length, int) else torch.sym_int(length * factor)
            for length, factor in zip(input.shape[2:], factors, strict=True)
        ]
    return NotImplemented if _exports_well(input, size, axes) else adaptive_average(input, size, axes)


@form(AdaptiveAvgPool)
def average_of_zoo(module: AdaptiveAvgPool) -> torch.nn.Module:
    """model_zoo's pooling is written out slice by slice for other exporters; torch's own has a form above."""
    return _of_torch(module.output_size, "AdaptiveAvgPool")


@form(AdaptiveMaxPool)
def maximum_of_zoo(module: AdaptiveMaxPool) -> torch.nn.Module:
    """Form of model_zoo's maximum pooling, as `average_of_zoo`."""
    return _of_torch(module.output_size, "AdaptiveMaxPool")


def _of_torch(size: tuple[int | None, ...], name: str) -> torch.nn.Module:
    module: torch.nn.Module = getattr(torch.nn, f"{name}{len(size)}d")(size if len(size) > 1 else size[0])
    return module


def _each(value: Any, axes: int) -> tuple[Any, ...]:
    if not isinstance(value, tuple | list | torch.Size):
        return (value,) * axes
    return tuple(value) * axes if len(value) == 1 else tuple(value)


def _is_same(count: Length | None, length: Length) -> bool:
    """Test that two lengths are equal and both static; comparing a dynamic length would freeze it."""
    return isinstance(count, int) and isinstance(length, int) and count == length
