"""Batched runs of a file over rows of inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from runtime.session import Session

__all__ = ["Feeds", "evenly", "feed_batches", "row_count", "run_rows", "take_rows"]

# Input name -> array (n, ...), the same n for all: rows in the first axis, wherever the file has them.
Feeds: TypeAlias = Mapping[str, "np.ndarray[Any, Any]"]

_RUN_ELEMENTS = 65_536
_MOST_ROWS = 32


def row_count(feeds: Feeds) -> int:
    """Number of rows; 0 where there is no input."""
    return next((len(array) for array in feeds.values()), 0)


def take_rows(feeds: Feeds, positions: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Select the rows at int64 `positions` (m,) of every input."""
    return {name: array[positions] for name, array in feeds.items()}


def evenly(count: int, most: int) -> np.ndarray[Any, Any]:
    """Evenly spaced positions, at most `most` of `count`: int64 (min(count, most),)."""
    if count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).round().astype(np.int64)


def feed_batches(feeds: Feeds, size: int, *, full: bool = False) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    """Iterate over batches of `size` rows in order; with `full`, the last is filled up from the first rows."""
    count = row_count(feeds)
    for start in range(0, count, size):
        stop = start + size if full else min(start + size, count)
        yield take_rows(feeds, np.arange(start, stop) % count)


def run_rows(session: Session, feeds: Feeds, outputs: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Run every row through a file: output name -> array (n, ...)."""
    count, fixed = row_count(feeds), session.fixed_batch
    elements = sum(array[:1].size for array in feeds.values())
    size = fixed or max(1, min(_MOST_ROWS, _RUN_ELEMENTS // max(1, elements)))
    found: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in outputs}
    for batch in feed_batches(feeds, size, full=fixed is not None):
        for name, array in session.batch.rows_first(session.run(session.batch.as_in_file(batch), outputs)).items():
            found[name].append(np.atleast_1d(array))
    return {name: np.concatenate(parts)[:count] for name, parts in found.items()}
