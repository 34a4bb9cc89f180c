"""Pooling to a given number of cells, as torch.nn.AdaptiveAvgPool and AdaptiveMaxPool, over 1 to 3 axes."""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["AdaptiveAvgPool", "AdaptiveMaxPool"]

_AVERAGE: dict[int, Callable[..., torch.Tensor]] = {
    1: torch.nn.functional.adaptive_avg_pool1d,
    2: torch.nn.functional.adaptive_avg_pool2d,
    3: torch.nn.functional.adaptive_avg_pool3d,
}
_GREATEST: dict[int, Callable[..., torch.Tensor]] = {
    1: torch.nn.functional.adaptive_max_pool1d,
    2: torch.nn.functional.adaptive_max_pool2d,
    3: torch.nn.functional.adaptive_max_pool3d,
}


class _AdaptivePool(torch.nn.Module):
    """Base class of adaptive pooling: `output_size`, the number of output cells along each axis.

    torch's exporter knows these pools only where the cells divide the lengths. A graph takes each part by itself, one axis
    after the other: a window is the product of its parts, so its mean and its greatest value are reached axis by axis.
    """

    def __init__(self, output_size: int | tuple[int | None, ...], axes: int) -> None:
        super().__init__()
        self.output_size = (output_size,) * axes if isinstance(output_size, int) else output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"

    def _cells(self, x: torch.Tensor) -> list[int]:
        return [length if cells is None else cells for length, cells in zip(x.shape[2:], self.output_size, strict=True)]

    def _parts(self, x: torch.Tensor, axis: int, cells: int) -> list[torch.Tensor]:
        """Part i of L positions covers floor(i * L / n) to ceil((i + 1) * L / n)."""
        length = x.shape[axis]
        bounds = [(i * length // cells, -(-(i + 1) * length // cells)) for i in range(cells)]
        return [x.narrow(axis, start, end - start) for start, end in bounds]


class AdaptiveAvgPool(_AdaptivePool):
    """(N, C, ...) -> (N, C, *output_size), the mean of each part.

    Args:
        output_size: cells along each axis, None keeps the input's length; one number stands for all axes.
        axes: 1, 2 or 3.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cells = self._cells(x)
        if not torch.compiler.is_exporting():
            return _AVERAGE[len(cells)](x, cells)
        for axis, count in enumerate(cells, start=2):
            x = torch.stack([part.mean(axis) for part in self._parts(x, axis, count)], dim=axis)
        return x


class AdaptiveMaxPool(_AdaptivePool):
    """(N, C, ...) -> (N, C, *output_size), the maximum of each part; arguments as `AdaptiveAvgPool`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cells = self._cells(x)
        if not torch.compiler.is_exporting():
            return _GREATEST[len(cells)](x, cells)
        for axis, count in enumerate(cells, start=2):
            x = torch.stack([part.amax(axis) for part in self._parts(x, axis, count)], dim=axis)
        return x
