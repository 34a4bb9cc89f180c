"""Results as text and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runtime.console import table
from runtime.predict import Classification, Dense, Embedding, Failure, Multilabel, Prediction, Regression

if TYPE_CHECKING:
    from runtime.picture_index import Neighbours

__all__ = ["neighbour_text", "prediction_rows", "prediction_text"]

_LONGEST = 200


def prediction_text(results: Sequence[Prediction], top: int) -> str:
    """One line a result: its source, and what is said of it: label, probability and the next classes; labels; values."""
    rows: list[tuple[str, ...]] = []
    header: tuple[str, ...] = ()
    for number, result in enumerate(results, start=1):
        if isinstance(result, Failure):
            continue
        header, cells = _text_cells(result, top)
        rows.append((_short(result.source or f"row {number}"), *cells))
    return table(("input", *header), rows) if rows else "nothing could be predicted"


def _text_cells(result: Prediction, top: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(column names, cells) of one result."""
    if isinstance(result, Classification):
        cells = (result.label, f"{result.probability:.4f}", _entries(result.top(top)[1:]))
        return ("label", "probability", "then"), cells
    if isinstance(result, Multilabel):
        return ("labels", "most probable"), (_entries(result.chosen) or "none", _entries(result.top(top)))
    if isinstance(result, Dense):
        shown = "  ".join(f"{label} {share:.1%}" for label, share in result.shares()[:top])
        return ("positions", "share of each class"), (" x ".join(map(str, result.classes.shape)), shown)
    if isinstance(result, Embedding):
        first = " ".join(f"{value:.4g}" for value in result.values[:4])
        return ("numbers", "first"), (str(len(result.values)), first + (" ..." if len(result.values) > 4 else ""))
    assert isinstance(result, Regression)
    return result.names, tuple(f"{value:.6g}" for value in result.values)


def _entries(entries: Sequence[tuple[str, float]]) -> str:
    return "  ".join(f"{label} {probability:.3f}" for label, probability in entries)


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
        header, cells = _csv_cells(result, top)
        if not started:
            writer.writerow(["input", *header])
        writer.writerow([result.source or f"row {number}", *cells])
        started = True
    return buffer.getvalue()


def _csv_cells(result: Prediction, top: int) -> tuple[list[str], list[str]]:
    """(column names, cells) of one result."""
    if isinstance(result, Classification):
        best = result.top(top)
        more = [f"{what}_{rank}" for rank in range(2, len(best) + 1) for what in ("label", "probability")]
        cells = [cell for label, probability in best for cell in (label, repr(probability))]
        return ["label", "probability", *more], cells
    if isinstance(result, Multilabel):
        return list(result.labels), [repr(float(value)) for value in result.probabilities]
    if isinstance(result, Dense):
        shares = dict(result.shares())
        return list(result.labels), [repr(shares.get(label, 0.0)) for label in result.labels]
    if isinstance(result, Embedding):
        return [f"d{index}" for index in range(len(result.values))], [repr(float(value)) for value in result.values]
    assert isinstance(result, Regression)
    return list(result.names), [repr(float(value)) for value in result.values]


def neighbour_text(found: Sequence[Neighbours]) -> str:
    """One table a query: rank, score, id."""
    parts = []
    for entry in found:
        rows = [
            (rank, f"{score:.4f}", name)
            for rank, (name, score) in enumerate(zip(entry.ids, entry.scores, strict=True), 1)
        ]
        parts.append(f"{entry.query}\n" + table(("rank", "score", "neighbour"), rows, right=(0, 1)))
    return "\n\n".join(parts)
