"""Schema of an embedded index: its SQLite tables, and their rows as plain data."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from runtime.errors import VectorIndexError

__all__ = [
    "APPLICATION",
    "MOST_ELEMENTS",
    "OBJECTS",
    "OLDEST",
    "SCHEMA",
    "SUMS",
    "VERSION",
    "IndexInfo",
    "SlotRange",
    "StoredBlock",
    "agree",
    "objects",
]

APPLICATION = 0x54564958  # "TVIX"; other SQLite files carry another number, or none
MOST_ELEMENTS = 1 << 20
VERSION = 2
OLDEST = 1
"""Version without the checksums in `sums` and `item_sums`."""

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

SUMS = """
CREATE TABLE sums (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE item_sums (place INTEGER PRIMARY KEY, value INTEGER NOT NULL);
"""


@functools.lru_cache(maxsize=2)
def objects(summed: bool) -> frozenset[tuple[str, str, str, str | None]]:
    """Everything that the schema of an index holds: (type, name, table, statement); it has no view and no trigger."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA + SUMS if summed else SCHEMA)
        return frozenset(connection.execute(OBJECTS))


OBJECTS = "SELECT type, name, tbl_name, sql FROM sqlite_master"


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
    checksum: int  # of the norms and the vectors

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
