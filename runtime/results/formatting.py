"""Results as text and CSV, a line each."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from runtime.console import table
from runtime.results.decoding import Prediction
from runtime.results.failure import Failure

__all__ = ["prediction_rows", "prediction_text"]

_LONGEST = 200


def prediction_text(results: Sequence[Prediction], top: int) -> str:
    """One line a result: its source, and what is said of it: label, probability and the next classes; labels; values."""
    rows: list[tuple[str, ...]] = []
    header: tuple[str, ...] = ()
    for number, result in enumerate(results, start=1):
        if isinstance(result, Failure):
            continue
        header, cells = result.text_cells(top)
        rows.append((_short(result.source or f"row {number}"), *cells))
    return table(("input", *header), rows) if rows else "nothing could be predicted"


def _short(name: str) -> str:
    """On one line, and cut: a text is its own source, and may be long."""
    line = " ".join(name.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def prediction_rows(results: Sequence[Prediction], top: int) -> str:
    """CSV: a header, then one line a result; failures are left out.

    Several labels have a column with the probability of each; a class a position has its share of the positions.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    started = False
    for number, result in enumerate(results, start=1):
        if isinstance(result, Failure):
            continue
        header, cells = result.csv_cells(top)
        if not started:
            writer.writerow(["input", *header])
        writer.writerow([result.source or f"row {number}", *cells])
        started = True
    return buffer.getvalue()
