"""Formatting of results as text and CSV, one line per result."""

from __future__ import annotations

import io
from collections.abc import Sequence

from runtime.console import table
from runtime.results.decoding import Prediction
from runtime.results.failure import Failure

__all__ = ["prediction_rows", "prediction_text"]

_LONGEST = 200


def prediction_text(results: Sequence[Prediction], top: int) -> str:
    """One line per result: its source, and its content: label, probability and the next classes; labels; values."""
    rows: list[tuple[str, ...]] = []
    header: Sequence[str] = ()
    for number, result in enumerate(results, start=1):
        if isinstance(result, Failure):
            continue
        header, cells = result.text_cells(top)
        rows.append((_short(result.source or f"row {number}"), *cells))
    return table(("input", *header), rows) if rows else "nothing could be predicted"


def _short(name: str) -> str:
    """Shorten a source to one line: a text is its own source, and may be long."""
    line = " ".join(name.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def prediction_rows(results: Sequence[Prediction], top: int) -> str:
    """CSV: a header, then one line per result; failures are left out.

    Multilabel results have one column per label, its probability; dense results each class's share of the positions.
    """
    import csv

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
