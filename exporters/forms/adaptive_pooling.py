"""Adaptive pooling to sizes that do not divide the input, which torch writes as many slices or not at all.

Output position i of n covers the input positions floor(i * L / n) .. ceil((i + 1) * L / n) - 1 of an axis of length L
(torch's own definition). Windows are boxes, so the axes are pooled one after the other: an average is a product with a
fixed matrix (L, n), a maximum a gather of each window's positions and their maximum.
"""

from __future__ import annotations

import abc
from typing import Any

import torch

from exporters.forms.registry import form
from model_zoo.adaptive_pool import AdaptiveAvgPool, AdaptiveMaxPool
from runtime.errors import SpecError

__all__ = ["AdaptiveAverage", "AdaptiveMaximum"]


def _windows(length: int, count: int) -> list[range]:
    return [range(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]


def _fixed(length: int | torch.SymInt) -> int:
    """An axis's length, which must not be dynamic: the windows are worked out from it here and now."""
    if isinstance(length, torch.SymInt):
        raise SpecError(
            "Adaptive pooling to this size needs a fixed input size in the file, but the size is dynamic. Export with a fixed "
            "size, or pool to size 1."
        )
    return int(length)


class _Adaptive(torch.nn.Module, abc.ABC):
    """Pools the last axes of (N, C, ...) to the size of `module`; None in it keeps an axis."""

    def __init__(self, module: torch.nn.Module, axes: int) -> None:
        super().__init__()
        self.module = module
        self.size = _each(module.output_size, axes)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(N, C, L1, ...) -> (N, C, size1, ...)."""
        lengths = [_fixed(length) for length in input.shape[-len(self.size) :]]
        if all(count is None or length % count == 0 for length, count in zip(lengths, self.size, strict=True)):
            result: torch.Tensor = self.module(input)  # ordinary pooling, one node
            return result
        for place, (length, count) in enumerate(zip(lengths, self.size, strict=True)):
            if count is not None and count != length:
                input = self.pool(input, input.ndim - len(lengths) + place, _windows(length, count))
        return input

    @abc.abstractmethod
    def pool(self, input: torch.Tensor, axis: int, windows: list[range]) -> torch.Tensor:
        """Pool one axis over its windows."""


class AdaptiveAverage(_Adaptive):
    """(N, C, L1, ...) -> (N, C, size1, ...): the mean of every window."""

    def pool(self, input: torch.Tensor, axis: int, windows: list[range]) -> torch.Tensor:
        """A product with the matrix (L, n) that holds 1 / (length of the window) where a position is in it."""
        matrix = torch.zeros(input.shape[axis], len(windows), dtype=input.dtype)
        for column, window in enumerate(windows):
            matrix[window.start : window.stop, column] = 1 / len(window)
        return (input.movedim(axis, -1) @ matrix.to(input.device)).movedim(-1, axis)


class AdaptiveMaximum(_Adaptive):
    """(N, C, L1, ...) -> (N, C, size1, ...): the maximum of every window."""

    def pool(self, input: torch.Tensor, axis: int, windows: list[range]) -> torch.Tensor:
        """Gather the windows, the shorter ones filled up with their last position, and take the maximum of each."""
        longest = max(map(len, windows))
        positions = [[min(window.start + step, window.stop - 1) for step in range(longest)] for window in windows]
        gathered = input.index_select(axis, torch.tensor(positions, device=input.device).flatten())
        shape = (*gathered.shape[:axis], len(windows), longest, *gathered.shape[axis + 1 :])
        return gathered.reshape(shape).amax(axis + 1)


@form(torch.nn.AdaptiveAvgPool1d, torch.nn.AdaptiveAvgPool2d, torch.nn.AdaptiveAvgPool3d)
def adaptive_average(module: torch.nn.AdaptiveAvgPool2d) -> AdaptiveAverage | None:
    """Global pooling stays as it is: it has an operator of its own."""
    axes = _axes(module)
    return None if set(_each(module.output_size, axes)) == {1} else AdaptiveAverage(module, axes)


@form(torch.nn.AdaptiveMaxPool1d, torch.nn.AdaptiveMaxPool2d, torch.nn.AdaptiveMaxPool3d)
def adaptive_maximum(module: torch.nn.AdaptiveMaxPool2d) -> AdaptiveMaximum | None:
    """As the average; with `return_indices` it stays as it is."""
    axes = _axes(module)
    if module.return_indices or set(_each(module.output_size, axes)) == {1}:
        return None
    return AdaptiveMaximum(module, axes)


@form(AdaptiveAvgPool)
def adaptive_average_of_zoo(module: AdaptiveAvgPool) -> AdaptiveAverage | torch.nn.Module:
    """model_zoo's pooling, which is written out slice by slice for other exporters."""
    return _of_zoo(module, AdaptiveAverage, "AdaptiveAvgPool")


@form(AdaptiveMaxPool)
def adaptive_maximum_of_zoo(module: AdaptiveMaxPool) -> AdaptiveMaximum | torch.nn.Module:
    """As the average."""
    return _of_zoo(module, AdaptiveMaximum, "AdaptiveMaxPool")


def _of_zoo(module: AdaptiveAvgPool | AdaptiveMaxPool, kind: type[_Adaptive], name: str) -> torch.nn.Module:
    size = module.output_size
    pool: torch.nn.Module = getattr(torch.nn, f"{name}{len(size)}d")(size if len(size) > 1 else size[0])
    return pool if set(size) == {1} else kind(pool, len(size))


def _each(size: Any, axes: int) -> tuple[int | None, ...]:
    return tuple(size) if isinstance(size, tuple | list) else (size,) * axes


def _axes(module: torch.nn.Module) -> int:
    """AdaptiveAvgPool2d -> 2."""
    return next(int(kind.__name__[-2]) for kind in type(module).__mro__ if kind.__module__.startswith("torch.nn"))
