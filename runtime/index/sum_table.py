"""The checksums that an index keeps of its own tables: of what it is, of its ids and metadata, of its fields, of dead places."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.errors import VectorIndexError
from runtime.index.schema import OLDEST, SUMS, VERSION
from runtime.index.sums import field_key, item_sum, mixed_sum, signed
from runtime.index.where import Field

__all__ = ["SumTable"]

_INFO = "version, dim, metric, space, dtype, attributes, generation, first, stop"


class SumTable:
    """The tables `sums` and `item_sums`; an index of an older release that cannot be written has none, and is believed.

    What is looked up in a table is checked when it is first used.

    Args:
        connection: of the index.
        damaged: makes an error of a reason.
    """

    def __init__(self, connection: sqlite3.Connection, damaged: Callable[[str], VectorIndexError]) -> None:
        self._run = connection.execute
        self._run_many = connection.executemany
        self._damaged = damaged
        self._changes: dict[str, int] = {}
        self._keys: dict[tuple[str, Any], int] = {}
        self._checked: set[str] = set()
        self.kept = False

    # Checking

    def check_info(self) -> None:
        """Check what the index is, its generation and its range of places."""
        if self.kept and self._stored("info") != self._of_info():
            raise self._damaged("what the index is was altered")

    def check_dead(self, places: npt.NDArray[np.int64]) -> None:
        """Check all dead places."""
        if self.kept and self._stored("dead") != signed(mixed_sum(0, places)):
            raise self._damaged("the list of its deleted vectors was altered")

    def check_items(self, items: Iterable[tuple[int, str, str]]) -> None:
        """Check (place, id, metadata)."""
        for place, name, metadata in items:
            if not (isinstance(name, str) and isinstance(metadata, str)):
                raise self._damaged(f"the id at place {place} or its metadata is no text")
            if not self.kept:
                continue
            row = self._run("SELECT value FROM item_sums WHERE place = ?", (place,)).fetchone()
            if row is None or row[0] != item_sum(name, metadata):
                raise self._damaged(f"the id {name[:80]!r} or its metadata was altered")

    def check_field(self, name: str) -> None:
        """Check all values of a field."""
        if not self.kept or name in self._checked:
            return
        if self._stored(f"field {name}") != signed(self._of_field(name)):
            raise self._damaged(f"the values of the field {name[:80]!r} were altered")
        self._checked.add(name)

    def check_ids(self) -> None:
        """Check that every id can be found: a look-up in vain is believed then."""
        if self.kept and "ids" not in self._checked and sqlite3.sqlite_version_info >= (3, 33):
            (answer,) = self._run("PRAGMA integrity_check('items')").fetchone()
            if answer != "ok":
                raise self._damaged(f"its ids cannot be looked up ({answer})")
            self._checked.add("ids")

    # Changing

    def insert(
        self, first: int, ids: Sequence[str], metadata: Sequence[str], fields: Sequence[Sequence[Field]]
    ) -> None:
        """Count in the items of the places from `first` on."""
        sums = ((place, item_sum(*item)) for place, item in enumerate(zip(ids, metadata, strict=True), first))
        self._run_many("INSERT INTO item_sums VALUES (?, ?)", sums)
        self._change_fields(((*field, place) for place, own in enumerate(fields, first) for field in own), 1)

    def remove(self, places: Sequence[int], fields: Iterable[tuple[str, str, Any, int]]) -> None:
        """Count out the items of these places, which are dead now, and their fields: (name, kind, value, place)."""
        self._run_many("DELETE FROM item_sums WHERE place = ?", ((place,) for place in places))
        self._change_fields(fields, -1)
        self._change("dead", mixed_sum(0, places))

    def begin(self) -> None:
        """Before a transaction's changes: make the tables where an older release made none."""
        self._changes.clear()
        self._keys.clear()
        self.kept = self._run("SELECT version FROM info").fetchone() != (OLDEST,)
        if not self.kept:
            self._make()

    def finish(self) -> None:
        """After a transaction's changes."""
        for name, change in self._changes.items():
            self._store(name, (self._stored(name) or 0) + change)
        self._store("info", self._of_info())
        self._changes.clear()

    def compacted(self) -> None:
        """After a compaction, which gave vectors new places: count anew."""
        self._changes.clear()
        self._run("DELETE FROM sums")
        for (name,) in self._run("SELECT DISTINCT name FROM fields").fetchall():
            self._store(f"field {name}", self._of_field(name))
        places = [place for (place,) in self._run("SELECT place FROM dead")]
        self._store("dead", mixed_sum(0, places))

    def _make(self) -> None:
        for statement in SUMS.split(";")[:-1]:
            self._run(statement)
        items = self._run("SELECT place, id, metadata FROM items")
        self._run_many("INSERT INTO item_sums VALUES (?, ?)", ((place, item_sum(*item)) for place, *item in items))
        self.compacted()
        self._run("UPDATE info SET version = ?", (VERSION,))
        self._store("info", self._of_info())
        self.kept = True

    def _change_fields(self, fields: Iterable[tuple[str, str, Any, int]], sign: int) -> None:
        """Count (name, kind, value, place) in or out."""
        by_name: dict[str, tuple[list[int], list[int]]] = {}
        for name, kind, value, place in fields:
            key = self._keys.get((kind, value))
            if key is None:
                key = self._keys[(kind, value)] = field_key(kind, value)
            keys, places = by_name.setdefault(name, ([], []))
            keys.append(key)
            places.append(place)
        for name, (keys, places) in by_name.items():
            self._change(f"field {name}", sign * mixed_sum(keys, places))

    def _change(self, name: str, change: int) -> None:
        self._changes[name] = self._changes.get(name, 0) + change

    def _of_info(self) -> int:
        row = self._run(f"SELECT {_INFO} FROM info").fetchone()  # noqa: S608
        return zlib.crc32(repr(row).encode("utf-8", "backslashreplace"))

    def _of_field(self, name: str) -> int:
        query = "SELECT kind, value, group_concat(place) FROM fields WHERE name = ? GROUP BY kind, value"
        total = 0
        for kind, value, places in self._run(query, (name,)):
            try:
                numbers = np.fromstring(places, np.int64, sep=",")
            except (TypeError, ValueError, OverflowError, DeprecationWarning):
                raise self._damaged(f"the places of the field {name[:80]!r} are no numbers") from None
            total += mixed_sum(field_key(kind, value), numbers)
        return total

    def _stored(self, name: str) -> int | None:
        row = self._run("SELECT value FROM sums WHERE name = ?", (name,)).fetchone()
        if row is None:
            return 0 if name != "info" else None
        return row[0] if isinstance(row[0], int) else None

    def _store(self, name: str, total: int) -> None:
        self._run("INSERT OR REPLACE INTO sums VALUES (?, ?)", (name, signed(total)))
