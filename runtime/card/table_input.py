"""Input card of tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from runtime.card.field_checks import NUMBERS, FieldCheck, check_scaling, is_text, tuple_of
from runtime.card.input_card import InputCard, register_input

__all__ = ["TableInput"]


@register_input
@dataclass(frozen=True)
class TableInput(InputCard):
    """Table pre-processing: a table's row -> one float32 row of the input `name`: (value - mean) / std per column."""

    columns: tuple[str, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    kind: Literal["table"] = "table"

    CHECKS: ClassVar[Mapping[str, FieldCheck]] = {
        "columns": FieldCheck(tuple_of(is_text), "the columns' names are"),
        "mean": NUMBERS,
        "std": NUMBERS,
    }

    def __post_init__(self) -> None:
        check_scaling("table", self.mean, self.std, len(self.columns), "one for each column")

    @property
    def shape(self) -> tuple[int]:
        """The shape of one prepared row, without the batch axis."""
        return (len(self.columns),)

    @property
    def table_columns(self) -> tuple[str, ...]:
        """The columns."""
        return self.columns

    def describe(self) -> str:
        """Pre-processing in words."""
        scaling = ", scaled column by column" if self.mean else ""
        return f"columns {', '.join(self.columns)}{scaling}"
