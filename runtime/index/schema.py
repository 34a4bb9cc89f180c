"""Schema of an embedded index: its SQLite tables, and their rows as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from runtime.errors import VectorIndexError

__all__ = ["APPLICATION", "SCHEMA", "VERSION", "IndexInfo", "SlotRange", "StoredBlock", "agree"]

APPLICATION = 0x54564958  # "TVIX"; other SQLite files carry another number, or none
VERSION = 1

SCHEMA = """
CREATE TABLE info (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL, dim INTEGER NOT NULL, metric TEXT NOT NULL, space TEXT, dtype TEXT NOT NULL,
    attributes TEXT NOT NULL, generation INTEGER NOT NULL, first INTEGER NOT NULL, stop INTEGER NOT NULL
);
CREATE TABLE blocks (
    first INTEGER PRIMARY KEY, length INTEGER NOT NULL, tag INTEGER NOT NULL, checksum INTEGER NOT NULL,
    norms BLOB NOT NULL, vectors BLOB NOT NULL
);
CREATE TABLE items (place INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, metadata TEXT NOT NULL);
CREATE TABLE fields (
    name TEXT NOT NULL, kind TEXT NOT NULL, value NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (name, kind, value, place)
) WITHOUT ROWID;
CREATE TABLE dead (number INTEGER PRIMARY KEY, place INTEGER NOT NULL);
"""


class IndexInfo(NamedTuple):
    """Index settings, fixed when the index is made."""

    dim: int
    metric: str
    space: str | None
    dtype: str
    attributes: dict[str, Any]


class SlotRange(NamedTuple):
    """State of an index: a generation that every change raises, and its range of places, first to stop (exclusive)."""

    generation: int
    first: int
    stop: int


class StoredBlock(NamedTuple):
    """One row of `blocks`, its vectors aside."""

    first: int
    length: int
    tag: int
    norms: npt.NDArray[np.float64]  # (length,)

    @property
    def stop(self) -> int:
        return self.first + self.length


def agree(facts: IndexInfo, given: Mapping[str, Any], folder: Path) -> None:
    """Raise VectorIndexError where settings given to open an index differ from the index's own.

    Raises:
        VectorIndexError: names both values.
    """
    for name, wanted in given.items():
        have = getattr(facts, name)
        if wanted is not None and wanted != have:
            raise VectorIndexError(
                f"the index {folder} was made with {name}={have!r}; {name}={wanted!r} was given. Use the model and settings "
                "that it was made with, or make another index."
            )
