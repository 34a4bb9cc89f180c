"""Average pooling with `divisor_override`, which the exporter leaves out without a word."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from exporters.forms.registry import form

__all__ = ["DividedAverage"]


class DividedAverage(torch.nn.Module):
    """(N, C, ...) -> (N, C, ...'): the mean of each window times kernel positions / divisor, as torch defines it.

    The module's padding counts (`count_include_pad`) or not; with an own divisor it makes no difference: the sum is the same.
    """

    def __init__(self, module: torch.nn.AvgPool2d | torch.nn.AvgPool3d, axes: int) -> None:
        super().__init__()
        self.axes = axes
        self.kernel = _each(module.kernel_size, axes)
        self.stride = _each(module.stride, axes)
        self.padding = _each(module.padding, axes)
        self.ceil = module.ceil_mode
        assert module.divisor_override is not None
        self.factor = math.prod(self.kernel) / module.divisor_override
        kind: Callable[..., torch.nn.Module] = torch.nn.AvgPool2d if axes == 2 else torch.nn.AvgPool3d
        self.pool = kind(self.kernel, self.stride)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(N, C, ...) -> (N, C, ...')."""
        # Zeros are added beforehand, on the far side as many as a last, incomplete window lacks.
        pads: list[int] = []
        for axis in reversed(range(self.axes)):
            length = input.shape[input.ndim - self.axes + axis]
            pads += [self.padding[axis], self.padding[axis] + (self._lacking(length, axis) if self.ceil else 0)]
        sums: torch.Tensor = self.pool(torch.nn.functional.pad(input, pads)) * self.factor
        return sums

    def _lacking(self, length: int, axis: int) -> int:
        kernel, stride, padding = self.kernel[axis], self.stride[axis], self.padding[axis]
        count = -(-(length + 2 * padding - kernel) // stride) + 1
        if (count - 1) * stride >= length + padding:  # a window that would begin in the far padding is left out
            count -= 1
        return max(0, (count - 1) * stride + kernel - length - 2 * padding)


@form(torch.nn.AvgPool2d, torch.nn.AvgPool3d)
def divided_average(module: torch.nn.AvgPool2d | torch.nn.AvgPool3d) -> torch.nn.Module | None:
    """Only where a divisor is given."""
    if module.divisor_override is None:
        return None
    return DividedAverage(module, 2 if isinstance(module, torch.nn.AvgPool2d) else 3)


def _each(value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * axes
