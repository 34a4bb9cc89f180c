"""Results as text and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runtime.console import table
from runtime.predict import Classification, Failure, Prediction, Regression

if TYPE_CHECKING:
    from runtime.picture_index import Neighbours

__all__ = ["neighbour_text", "prediction_rows", "prediction_text"]


def prediction_text(results: Sequence[Prediction], top: int) -> str:
    """One line a result: source, label, probability, and the next classes."""
    rows: list[tuple[str, ...]] = []
    header: tuple[str, ...] = ("input", "label", "probability", "then")
    for number, result in enumerate(results, start=1):
        name = result.source or f"row {number}"
        if isinstance(result, Classification):
            then = "  ".join(f"{label} {probability:.3f}" for label, probability in result.top(top)[1:])
            rows.append((name, result.label, f"{result.probability:.4f}", then))
        elif isinstance(result, Regression):
            header = ("input", *result.names)
            rows.append((name, *(f"{value:.6g}" for value in result.values)))
    return table(header, rows) if rows else "nothing could be predicted"


def prediction_rows(results: Sequence[Prediction], top: int) -> str:
    """CSV: a header, then one line a result; failures are left out."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    started = False
    for number, result in enumerate(results, start=1):
        if isinstance(result, Failure):
            continue
        name = result.source or f"row {number}"
        if isinstance(result, Classification):
            best = result.top(top)
            if not started:
                more = [f"{what}_{rank}" for rank in range(2, len(best) + 1) for what in ("label", "probability")]
                writer.writerow(["input", "label", "probability", *more])
            writer.writerow([name, *(cell for label, probability in best for cell in (label, repr(probability)))])
        else:
            if not started:
                writer.writerow(["input", *result.names])
            writer.writerow([name, *(repr(float(value)) for value in result.values)])
        started = True
    return buffer.getvalue()


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
