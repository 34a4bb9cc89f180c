"""Tables in an export."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from exporters.inputs.kind import InputKind, RowPreparation, Script, scaling_lines
from runtime.card import TableInput
from runtime.results.script import quoted

__all__ = ["KIND", "TableKind"]

Array = np.ndarray[Any, Any]


# Share of a column's deviation by which float32 may round its numbers.
_MOST_ROUNDED = 1e-3


class TableKind(InputKind[TableInput]):
    """Tables."""

    plural: ClassVar[str] = "tables"
    expected: ClassVar[str] = "a .csv file with the card's columns"
    predicted: ClassVar[str | None] = "TABLE.csv"
    file_name: ClassVar[str | None] = "rows.csv"

    def script(self, card: TableInput) -> Script:
        """As `InputKind.script`: the columns are taken by name."""
        lines = [
            "def prepare(path):",
            '    """A CSV file whose header has the card\'s columns."""',
            '    columns = CARD["inputs"][0]["columns"]',
            '    with open(path, encoding="utf-8-sig", newline="") as file:',
            "        rows = [[float(row[name]) for name in columns] for row in csv.DictReader(file)]",
            "    values = np.array(rows, np.float64)",
            *([] if card.prepared_in_graph else scaling_lines(card.mean, card.std)),
            f"    return {{{quoted(card.name)}: values.astype(np.{card.raw_dtype})}}",
        ]
        return Script(["import csv"], "\n".join(lines), "TABLE.csv")

    def raw_file(self, row: Array, card: TableInput) -> tuple[str, bytes]:
        """As `InputKind.raw_file`: a CSV file."""
        values = row if card.prepared_in_graph else self.raw_rows(row[None], card)[0]
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows([card.columns, [_text(value) for value in values]])
        return "rows.csv", text.getvalue().encode()

    def read_raw(self, content: bytes) -> list[list[float]]:
        """As `InputKind.read_raw`."""
        _, row = csv.reader(io.StringIO(content.decode()))
        return [[float(cell) for cell in row]]

    def row_preparation(self, card: TableInput) -> RowPreparation[TableInput] | None:
        """As `InputKind.row_preparation`: the scaling, equal to `runtime.preprocess.prepare_table` but for float32's rounding."""
        if not card.mean and not card.std:
            return None
        dtype = raw_dtype(card)
        mean = np.array([card.mean or (0.0,) * len(card.columns)])
        std = np.array([card.std or (1.0,) * len(card.columns)]).astype(dtype)
        steps = [("Sub", mean.astype(dtype))]
        rest = (mean - mean.astype(dtype)).astype(dtype)
        if rest.any():  # float32 holds a mean in two parts; the first difference is exact near it, whatever its size
            steps.append(("Sub", rest))
        if (std != 1).any():
            steps.append(("Div", std))
        return RowPreparation(replace(card, prepared_in_graph=True, raw_dtype=dtype), steps)

    def raw_rows(self, rows: Array, card: TableInput) -> Array:
        """As `InputKind.raw_rows`."""
        values = rows.astype(np.float64) * np.array(card.std or 1.0) + np.array(card.mean or 0.0)
        found: Array = values.astype(raw_dtype(card))
        return found

    def random_rows(self, module: torch.nn.Module, card: TableInput, rows: int, random: np.random.Generator) -> Array:
        """As `InputKind.random_rows`."""
        return random.standard_normal((rows, *card.shape), np.float32)


def raw_dtype(card: TableInput) -> Literal["float32", "float64"]:
    """Dtype of raw rows that lose nothing of weight: float64 for columns whose numbers are very large for their deviation."""
    mean = np.abs(np.array(card.mean or 0.0))
    std = np.array(card.std or 1.0)
    fine = np.finfo(np.float32)
    rounded = float((mean / std).max()) * float(fine.eps) / 2 > _MOST_ROUNDED
    beyond = float(std.max()) > 1e30 or float(std.min()) < 1e-30 or float(mean.max()) > 1e30
    return "float64" if rounded or beyond else "float32"


def _text(value: np.floating[Any]) -> str:
    return f"{value:.9g}" if value.dtype == np.float32 else repr(float(value))


KIND = TableKind()
