"""Average pooling that the exporter gets silently wrong, or freezes: `divisor_override`, and `ceil_mode` over dynamic lengths."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from exporters.tracing.forms.functions import function_form
from exporters.tracing.forms.registry import form

__all__ = ["DividedAverage", "average_rounded_up"]


class DividedAverage(torch.nn.Module):
    """Average pooling with a divisor (N, C, ...) -> (N, C, ...'): window mean times kernel positions / divisor.

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
        """Pool (N, C, ...) -> (N, C, ...')."""
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
    """Form of average pooling with `divisor_override`; None without one."""
    if module.divisor_override is None:
        return None
    return DividedAverage(module, 2 if isinstance(module, torch.nn.AvgPool2d) else 3)


def average_rounded_up(
    input: torch.Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    count_include_pad: bool,
) -> torch.Tensor | None:
    """Average pooling with `ceil_mode`, dynamic lengths: pad with zeros, divide sums by the positions that count.

    None where a window may begin in the far padding, which torch leaves out.
    """
    if any(size < pad + step for size, pad, step in zip(kernel, padding, stride, strict=True)):
        return None
    axes = len(kernel)
    pool = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[axes - 1]
    around = [pad for one in reversed(padding) for pad in (one, one)]
    behind = [pad for step in reversed(stride) for pad in (0, step - 1)]
    ones = functional.pad(torch.ones_like(input.narrow(-axes - 1, 0, 1)), around, value=float(count_include_pad))
    sums = pool(functional.pad(functional.pad(input, around), behind), kernel, stride)
    return sums / pool(functional.pad(ones, behind), kernel, stride)


def _register(axes: int, function: Any) -> None:
    @function_form(function)
    def rounded_up(
        input: torch.Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Any:
        dynamic = any(not isinstance(length, int) for length in input.shape[input.ndim - axes :])
        if not ceil_mode or divisor_override is not None or not dynamic:
            return NotImplemented
        kernel = _each(kernel_size, axes)
        result = average_rounded_up(
            input, kernel, _each(stride or kernel, axes), _each(padding, axes), count_include_pad
        )
        return NotImplemented if result is None else result


for _axes, _function in enumerate((functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d), start=1):
    _register(_axes, _function)


def _each(value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    if not isinstance(value, tuple | list):
        return (value,) * axes
    return tuple(value) * axes if len(value) == 1 else tuple(value)
