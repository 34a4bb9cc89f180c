"""Dynamic axes as plain data: names, and the lengths that torch takes along them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["AXIS_NAMES", "Axes", "AxisRange"]

# One mapping per input: axis -> its name. Axes of equal names have equal lengths.
Axes: TypeAlias = tuple[Mapping[int, str], ...]

AXIS_NAMES = ("batch", "height", "width", "length")
"""The names that can be asked for without saying which axes they are."""


@dataclass(frozen=True)
class AxisRange:
    """Valid lengths of one dynamic axis, found by running torch.

    Attributes:
        example: the length of the samples.
        step: every length is a multiple of it.
        minimum, maximum: inclusive bounds; maximum None where none was found.
    """

    example: int
    step: int = 1
    minimum: int = 1
    maximum: int | None = None

    def holds(self, length: int) -> bool:
        """Test that a length is valid: within the bounds, and a multiple of the step."""
        above = self.maximum is not None and length > self.maximum
        return length >= self.minimum and length % self.step == 0 and not above

    def __str__(self) -> str:
        multiple = f", multiples of {self.step}" if self.step > 1 else ""
        return f"{self.minimum} to {self.maximum or 'any'}{multiple}"
