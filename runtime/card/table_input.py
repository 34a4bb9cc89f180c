"""Input card of tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from runtime.card.field_checks import (
    FLAG,
    NUMBERS,
    FieldCheck,
    check_choice,
    check_scaling,
    is_text,
    tuple_of,
)
from runtime.card.input_card import InputCard, register_input

__all__ = ["TableInput"]


@register_input
@dataclass(frozen=True)
class TableInput(InputCard):
    """Table pre-processing: a table's row -> one float32 row of the input `name`: (value - mean) / std per column.

    With `prepared_in_graph` the file does the scaling, and takes the numbers of the table as they are, of the dtype `raw_dtype`:
    float64 where float32 would round a column's numbers too much for its deviation.
    """

    columns: tuple[str, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    # left out of the card where they say nothing, so that older versions read cards without them, and refuse those with them
    prepared_in_graph: bool = field(default=False, metadata={"optional": True})
    raw_dtype: Literal["float32", "float64"] = field(default="float32", metadata={"optional": True})
    kind: Literal["table"] = "table"

    CHECKS: ClassVar[Mapping[str, FieldCheck]] = {
        "columns": FieldCheck(tuple_of(is_text), "the columns' names are"),
        "mean": NUMBERS,
        "std": NUMBERS,
        "prepared_in_graph": FLAG,
        "raw_dtype": FieldCheck(is_text, "float32 or float64 is"),
    }

    def __post_init__(self) -> None:
        check_scaling("table", self.mean, self.std, len(self.columns), "one for each column")
        check_choice("table", "raw_dtype", self.raw_dtype, ("float32", "float64"))

    @property
    def shape(self) -> tuple[int]:
        """The shape of one prepared row, without the batch axis."""
        return (len(self.columns),)

    @property
    def table_columns(self) -> tuple[str, ...]:
        """The columns."""
        return self.columns

    @property
    def fed_dtype(self) -> str:
        """`raw_dtype` where the file prepares its rows."""
        return self.raw_dtype if self.prepared_in_graph else self.dtype

    def prepared_outside(self) -> TableInput:
        """The card of the same preparation, done outside of the file."""
        return replace(self, prepared_in_graph=False, raw_dtype="float32")

    def describe(self) -> str:
        """Pre-processing in words."""
        scaling = ", scaled column by column" if self.mean or self.std else ""
        if self.prepared_in_graph:
            scaling += " in the file, which takes the numbers as they are"
        return f"columns {', '.join(self.columns)}{scaling}"
