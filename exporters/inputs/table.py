"""Tables in an export."""

from __future__ import annotations

import csv
import io
from typing import Any, ClassVar

import numpy as np
import torch

from exporters.inputs.kind import InputKind, Script, scaling_lines
from runtime.card import TableInput
from runtime.results.script import quoted

__all__ = ["KIND", "TableKind"]

Array = np.ndarray[Any, Any]


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
            *scaling_lines(card.mean, card.std),
            f"    return {{{quoted(card.name)}: values.astype(np.float32)}}",
        ]
        return Script(["import csv"], "\n".join(lines), "TABLE.csv")

    def raw_file(self, row: Array, card: TableInput) -> tuple[str, bytes]:
        """As `InputKind.raw_file`: a CSV file."""
        values = row.astype(np.float64)
        values = values * np.array(card.std or 1.0) + np.array(card.mean or 0.0)
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows([card.columns, [f"{value:.9g}" for value in values]])
        return "rows.csv", text.getvalue().encode()

    def read_raw(self, content: bytes) -> list[list[float]]:
        """As `InputKind.read_raw`."""
        _, row = csv.reader(io.StringIO(content.decode()))
        return [[float(cell) for cell in row]]

    def random_rows(self, module: torch.nn.Module, card: TableInput, rows: int, random: np.random.Generator) -> Array:
        """As `InputKind.random_rows`."""
        return random.standard_normal((rows, *card.shape), np.float32)


KIND = TableKind()
