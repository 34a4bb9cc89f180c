"""Padding of the axes after the channels: constant, reflected or replicated."""

from __future__ import annotations

from typing import Literal

import torch

__all__ = ["Pad"]


class Pad(torch.nn.Module):
    """(N, C, ...) -> the same with longer axes behind the channels, as torch.nn's ZeroPad, ConstantPad, ReflectionPad and
    ReplicationPad.

    Args:
        padding: one number for all sides, or a pair per axis, last axis first: (left, right, top, bottom, front, back).
        mode: "constant", "reflect" or "replicate".
        value: for "constant".

    Raises:
        ValueError: in `forward`, when there is not a pair for each axis, or an axis is too short to reflect.
    """

    def __init__(
        self,
        padding: int | tuple[int, ...],
        mode: Literal["constant", "reflect", "replicate"],
        value: float = 0.0,
    ) -> None:
        super().__init__()
        self.padding, self.mode, self.value = padding, mode, value

    def extra_repr(self) -> str:
        return f"{self.padding}, mode={self.mode!r}" + (f", value={self.value}" if self.value else "")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        axes = x.ndim - 2
        padding = (self.padding,) * (2 * axes) if isinstance(self.padding, int) else self.padding
        if len(padding) != 2 * axes:
            raise ValueError(
                f"padding={self.padding} was given; {axes} pairs, {2 * axes} numbers, are expected for an input of {x.ndim} axes."
            )
        if self.mode == "constant":
            return torch.nn.functional.pad(x, padding, "constant", self.value)
        for axis, (before, after) in enumerate(zip(padding[::2], padding[1::2], strict=True), start=1):
            if self.mode == "reflect" and max(before, after) >= x.shape[-axis]:
                raise ValueError(
                    f"padding={self.padding} was given, but an axis of {x.shape[-axis]} positions can be mirrored by "
                    f"{x.shape[-axis] - 1} at most."
                )
        return torch.nn.functional.pad(x, padding, self.mode)
