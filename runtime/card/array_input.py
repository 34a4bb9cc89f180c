"""Input card of plain arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from runtime.card.field_checks import FieldCheck, is_length, is_text, tuple_of
from runtime.card.input_card import InputCard, register_input

__all__ = ["ArrayInput"]


@register_input
@dataclass(frozen=True)
class ArrayInput(InputCard):
    """Plain array without pre-processing. `shape` is without the batch axis; None for an axis of any length."""

    shape: tuple[int | None, ...]
    dtype: str = "float32"
    kind: Literal["array"] = "array"

    CHECKS: ClassVar[Mapping[str, FieldCheck]] = {
        "shape": FieldCheck(tuple_of(lambda value: value is None or is_length(value)), "lengths, or null for any, are"),
        "dtype": FieldCheck(is_text, "a dtype's name is"),
    }
    has_preparation: ClassVar[bool] = False

    def with_free_axes(self, axes: Collection[int]) -> ArrayInput:
        """The card with any length along these axes of a batch."""
        lengths = enumerate(self.shape, start=1)
        return replace(self, shape=tuple(None if axis in axes else length for axis, length in lengths))

    def describe(self) -> str:
        """Pre-processing in words."""
        return f"{self.dtype} array {tuple(length if length else 'any' for length in self.shape)}, as it is"
