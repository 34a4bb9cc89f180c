"""Store of an embedded index, its authoritative data: one SQLite file in its folder.

    info     one row: what the index is, a generation that every change raises, and the range of places in use
    blocks   vectors as written, about 1 MiB at a time, with their lengths, a checksum and a random tag
    items    a live id, its place and its metadata
    fields   the metadata that can be filtered on, in the order a filter looks it up
    dead     places whose vector was replaced or deleted
    sums, item_sums   checksums of the others, see `runtime.index.sums`

A place is the number of a stored vector. It rises with every vector added, is never used twice and never changes
its vector, which is what lets other files be derived from blocks and be checked. When more than half of the places are dead, the
live vectors are written again at new places, in the same order and in the same transaction, and the old blocks go.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.errors import VectorIndexError
from runtime.index.checks import Block, row_norms
from runtime.index.compaction import live_blocks
from runtime.index.connection import WAIT_SECONDS, QueryLimit, connect, damaged, explained, is_interrupt, missing_index
from runtime.index.interface import DTYPES, METRICS
from runtime.index.many_values import marks, parts
from runtime.index.schema import (
    APPLICATION,
    MOST_ELEMENTS,
    OBJECTS,
    OLDEST,
    SCHEMA,
    SUMS,
    VERSION,
    IndexInfo,
    SlotRange,
    StoredBlock,
    objects,
)
from runtime.index.sum_table import SumTable
from runtime.index.where import Condition, Field, fields_of

__all__ = ["Store"]


class Store:
    """One connection to `index.sqlite`. All reading is inside `reading()`, all changes are inside `writing()`.

    Args:
        folder: the folder of the index.
        new: settings of an index to make where there is none; None makes none.

    Raises:
        VectorIndexError: there is none and none was to be made; the file is something else, damaged or locked.
    """

    def __init__(self, folder: Path, new: IndexInfo | None) -> None:
        self._folder = folder
        self._file = folder / "index.sqlite"
        with self._translated_errors():
            self._connection = connect(self._file, may_create=new is not None)
        self._limit = QueryLimit(self._connection)
        self._sums = SumTable(self._connection, self._damaged)
        try:
            with self._translated_errors():
                self._configure(new)
                self.facts = self._read_facts()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the connection. May be called again."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Read transaction: a consistent snapshot; commits of others meanwhile are not seen until the next."""
        with self._translated_errors(), self._transaction("BEGIN"):
            yield

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Write transaction: all changes are kept, or none. Others may read meanwhile, but not write."""
        with self._translated_errors(), self._transaction("BEGIN IMMEDIATE"):
            self._sums.check_info()
            self._sums.begin()
            yield
            self._run("UPDATE info SET generation = generation + 1")
            compacted = self._compact()
            self._sums.finish()
        if compacted:  # what was asked is done; to give the room back to the file system may fail
            with contextlib.suppress(sqlite3.Error):  # a script, since execute() frees one page only
                self._connection.executescript("PRAGMA incremental_vacuum")

    # Reading

    def extent(self) -> SlotRange:
        extent = SlotRange(*self._one("SELECT generation, first, stop FROM info"))
        if not all(isinstance(number, int) for number in extent) or not 0 <= extent.first <= extent.stop:
            raise self._damaged("the range of places cannot be read")
        return extent

    def check_extent(self) -> None:
        """Check what `extent` told, and what the index is."""
        self._sums.check_info()

    def check_dead(self, places: npt.NDArray[np.int64]) -> None:
        """Check that these are all dead places."""
        self._sums.check_dead(places)

    def blocks(self, first: int, stop: int) -> Iterator[StoredBlock]:
        """The blocks of the places from `first` to `stop`, which must be where blocks begin and end."""
        query = "SELECT first, length, tag, norms, checksum FROM blocks WHERE first >= ? AND first < ? ORDER BY first"
        for row in self._run(query, (first, stop)):
            block = self._block(row)
            if block.first != first:
                raise self._damaged(f"the block at place {first} is missing")
            first = block.stop
            yield block
        if first != stop:
            raise self._damaged(f"the block at place {first} is missing")

    def block_before(self, place: int) -> StoredBlock | None:
        """The last block that begins before `place`."""
        query = "SELECT first, length, tag, norms, checksum FROM blocks WHERE first < ? ORDER BY first DESC LIMIT 1"
        row = self._run(query, (place,)).fetchone()
        return None if row is None else self._block(row)

    def vectors(self, block: StoredBlock) -> npt.NDArray[np.float32]:
        """The vectors of one block, (length, dim) float32."""
        (data,) = self._one("SELECT vectors FROM blocks WHERE first = ?", (block.first,))
        dtype = np.dtype(self.facts.dtype).newbyteorder("<")
        if not isinstance(data, bytes) or len(data) != block.length * self.facts.dim * dtype.itemsize:
            raise self._damaged(f"{self._vectors_of(block)} have the wrong size")
        if _checksum(block.norms, data) != block.checksum:
            raise self._damaged(f"{self._vectors_of(block)} were altered")
        rows = np.frombuffer(data, dtype).reshape(block.length, self.facts.dim).astype(np.float32, copy=False)
        if not np.allclose(row_norms(rows), block.norms, rtol=1e-6, atol=0.0):  # NaN and infinity are no lengths either
            raise self._damaged(f"{self._vectors_of(block)} have other lengths than it says")
        return rows

    def holds(self, block: StoredBlock, rows: npt.NDArray[np.float32]) -> bool:
        """Test that rows (length, dim) are the vectors of a block, by its checksum alone."""
        stored = rows.astype(np.dtype(self.facts.dtype).newbyteorder("<"))
        if _checksum(block.norms, stored.tobytes()) != block.checksum:
            return False
        return self.facts.dtype == "float32" or bool((stored.astype("<f4").view("<u4") == rows.view("<u4")).all())

    def dead(self, after: int) -> list[tuple[int, int]]:
        """Dead places after that number: (number, place)."""
        return self._run("SELECT number, place FROM dead WHERE number > ? ORDER BY number", (after,)).fetchall()

    def names(self, places: Sequence[int]) -> dict[int, str]:
        """Live ids at these places."""
        found: dict[int, str] = {}
        for part in parts(places):
            found.update(self._run(f"SELECT place, id FROM items WHERE place IN ({marks(part)})", part))  # noqa: S608
        return found

    def check_names(self, places: Sequence[int]) -> None:
        """Check the ids and the metadata at these places."""
        for part in parts(places):
            query = f"SELECT place, id, metadata FROM items WHERE place IN ({marks(part)})"  # noqa: S608
            self._sums.check_items(self._run(query, part).fetchall())

    def items(self, ids: Sequence[str]) -> dict[str, tuple[int, dict[str, Any]]]:
        """Place and metadata of the ids that exist: id -> (place, metadata)."""
        found: dict[str, tuple[int, dict[str, Any]]] = {}
        for part in parts(ids):
            query = f"SELECT id, place, metadata FROM items WHERE id IN ({marks(part)})"  # noqa: S608
            rows = self._run(query, part).fetchall()
            self._sums.check_items((place, name, text) for name, place, text in rows)
            found.update((name, (place, self._facts(text))) for name, place, text in rows)
        return found

    def matching(self, condition: Condition) -> npt.NDArray[np.int64]:
        """Places that match one condition of a filter, in no order."""
        self._sums.check_field(condition.name)
        try:
            found = [
                np.fromiter((row[0] for row in self._run(query, values)), np.int64)
                for query, values in condition.queries
            ]
        except (TypeError, ValueError, OverflowError):
            raise self._damaged(f"the places of the field {condition.name[:80]!r} are no numbers") from None
        return np.concatenate(found) if found else np.empty(0, np.int64)

    # Changing, inside writing()

    def append(self, blocks: Iterable[Block]) -> int:
        """Store vectors at new places; returns the first of them."""
        first = stop = self.extent().stop
        for block in blocks:
            length, vectors = len(block.norms), block.vectors.tobytes()
            norms = block.norms.astype("<f8").tobytes()
            values = (stop, length, secrets.randbits(63), _checksum(block.norms, vectors), norms, vectors)
            self._run("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?)", values)
            stop += length
        self._run("UPDATE info SET stop = ?", (stop,))
        return first

    def insert(
        self, first: int, ids: Sequence[str], metadata: Sequence[str], fields: Sequence[Sequence[Field]]
    ) -> None:
        """Insert the ids and metadata of the places from `first` on."""
        rows = zip(range(first, first + len(ids)), ids, metadata, strict=True)
        self._connection.executemany("INSERT INTO items (place, id, metadata) VALUES (?, ?, ?)", rows)
        every = ((*field, place) for place, own in enumerate(fields, first) for field in own)
        self._connection.executemany("INSERT INTO fields (name, kind, value, place) VALUES (?, ?, ?, ?)", every)
        self._sums.insert(first, ids, metadata, fields)

    def tombstone(self, ids: Sequence[str]) -> int:
        """Mark the places of these ids as dead; returns how many of the ids existed."""
        found = list(self.items(ids).values())
        if len(found) < len(ids):
            self._sums.check_ids()
        places = [(place,) for place, _ in found]
        fields = [(*field, place) for place, metadata in found for field in fields_of(metadata)]
        self._connection.executemany(
            "DELETE FROM fields WHERE name = ? AND kind = ? AND value = ? AND place = ?", fields
        )
        self._connection.executemany("DELETE FROM items WHERE place = ?", places)
        self._connection.executemany("INSERT INTO dead (place) VALUES (?)", places)
        self._sums.remove([place for place, _ in found], fields)
        return len(found)

    def _compact(self) -> bool:
        """Compact: rewrite the live vectors at new places when more than half are dead; returns True where it did."""
        _, first, stop = self.extent()
        if 2 * self._one("SELECT count(*) FROM dead")[0] <= stop - first:
            return False
        alive = np.ones(stop - first, bool)
        alive[[place - first for _, place in self.dead(0)]] = False
        self.append(live_blocks(self, first, stop, alive))
        moved = zip((np.flatnonzero(alive) + first).tolist(), range(stop, stop + int(alive.sum())), strict=True)
        self._run("CREATE TEMP TABLE moved (old INTEGER PRIMARY KEY, new INTEGER NOT NULL)")
        self._connection.executemany("INSERT INTO moved VALUES (?, ?)", moved)
        self._run("UPDATE items SET place = (SELECT new FROM moved WHERE old = items.place)")
        self._run("UPDATE fields SET place = (SELECT new FROM moved WHERE old = fields.place)")
        self._run("UPDATE item_sums SET place = (SELECT new FROM moved WHERE old = item_sums.place)")
        self._run("DROP TABLE moved")
        self._run("DELETE FROM blocks WHERE first < ?", (stop,))
        self._run("DELETE FROM dead")
        self._run("UPDATE info SET first = ?", (stop,))
        self._sums.compacted()
        return True

    # Opening

    def _configure(self, new: IndexInfo | None) -> None:
        """Configure the connection, and make the tables when the file is empty and a new index is requested."""
        run = self._run
        run("PRAGMA trusted_schema = OFF")
        run("PRAGMA cell_size_check = ON")
        run("PRAGMA temp_store = MEMORY")
        run("PRAGMA synchronous = FULL")
        run("PRAGMA journal_size_limit = 16777216")
        if self._one("SELECT count(*) FROM sqlite_master")[0]:
            self._check_kind()
            return
        if (self._folder / "matrix.f32").exists():  # there was more in it once
            raise self._damaged("it is empty")
        if new is None:
            raise missing_index(self._folder)
        run("PRAGMA auto_vacuum = INCREMENTAL")
        run("PRAGMA journal_mode = WAL")
        with self._transaction("BEGIN IMMEDIATE"):
            if self._one("SELECT count(*) FROM sqlite_master")[0]:
                self._sums.kept = True  # another process made it meanwhile
                return
            for statement in (SCHEMA + SUMS).split(";")[:-1]:
                run(statement)
            values = (VERSION, new.dim, new.metric, new.space, new.dtype, json.dumps(new.attributes))
            run("INSERT INTO info VALUES (1, ?, ?, ?, ?, ?, ?, 0, 0, 0)", values)
            run(f"PRAGMA application_id = {APPLICATION}")
            self._sums.finish()
        self._sums.kept = True

    def _check_kind(self) -> None:
        if self._one("PRAGMA application_id")[0] != APPLICATION:
            raise VectorIndexError(
                f"{self._file} is an SQLite file, but not one of a vector index. Give another folder, or move that file away."
            )
        version = self._one("SELECT version FROM info")[0]
        if version not in (OLDEST, VERSION):
            raise VectorIndexError(
                f"the index {self._folder} has format version {version!r}; this release reads versions {OLDEST} to {VERSION}. "
                "Use the release that made it, or make the index again."
            )
        foreign = set(self._run(OBJECTS)) ^ objects(version == VERSION)
        if foreign:
            kind, name, *_ = min(foreign, key=repr)
            raise self._damaged(f"its {kind} {str(name)[:80]!r} is not as an index makes it")
        self._sums.kept = version == VERSION
        self._sums.check_info()
        if not self._sums.kept and os.access(self._file, os.W_OK):
            self._gain_sums()
        size, pages = self._one("PRAGMA page_size")[0], self._one("PRAGMA page_count")[0]
        log = self._file.with_name(self._file.name + "-wal")
        pending = log.exists() and log.stat().st_size > 0  # then pages may be there rather than in the file
        if not pending and self._file.stat().st_size < size * pages:
            raise self._damaged("the file is cut short")

    def _gain_sums(self) -> None:
        """Let an index of an older release gain its checksums; where another process writes, or nobody may, another time."""
        self._run("PRAGMA busy_timeout = 0")
        try:
            with self._transaction("BEGIN IMMEDIATE"):
                self._sums.begin()
        except sqlite3.OperationalError:
            self._sums.kept = False
        finally:
            self._run(f"PRAGMA busy_timeout = {int(WAIT_SECONDS * 1000)}")

    def _read_facts(self) -> IndexInfo:
        dim, metric, space, dtype, attributes = self._one("SELECT dim, metric, space, dtype, attributes FROM info")
        whole = isinstance(dim, int) and 1 <= dim <= MOST_ELEMENTS and metric in METRICS and dtype in DTYPES
        if not whole or not isinstance(space, str | None):
            raise self._damaged("what the index is cannot be read")
        return IndexInfo(dim, metric, space, dtype, self._facts(attributes))

    # Small things

    def _vectors_of(self, block: StoredBlock) -> str:
        """Words for the vectors of a block, with some of their ids."""
        query = "SELECT id FROM items WHERE place >= ? AND place < ? ORDER BY place LIMIT 4"
        ids = [str(name)[:80] for (name,) in self._run(query, (block.first, block.stop))]
        some = ", ".join(map(repr, ids[:3])) + (", ..." if len(ids) > 3 else "")
        return f"the {block.length} vectors from place {block.first} on ({some})"

    def _run(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        self._limit.begin()
        return self._connection.execute(query, values)

    def _one(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        row = self._run(query, values).fetchone()
        if row is None:
            raise self._damaged("a row is missing")
        return tuple(row)

    def _block(self, row: tuple[Any, ...]) -> StoredBlock:
        first, length, tag, norms, checksum = row
        whole = isinstance(length, int) and length > 0 and isinstance(tag, int) and isinstance(norms, bytes)
        if not whole or len(norms) != 8 * length:
            raise self._damaged(f"the block at place {first} is incomplete")
        return StoredBlock(first, length, tag, np.frombuffer(norms, "<f8"), checksum)

    def _facts(self, text: object) -> dict[str, Any]:
        try:
            facts = json.loads(text) if isinstance(text, str) else None
        except (ValueError, RecursionError):
            facts = None
        if not isinstance(facts, dict):
            raise self._damaged("metadata in it is not JSON")
        return facts

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        self._run(begin)
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")  # not `_run`, which would forget why a query was interrupted
            raise

    @contextlib.contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Translate SQLite's errors into VectorIndexError."""
        try:
            yield
        except sqlite3.Error as error:
            if is_interrupt(error) and not self._limit.reached:
                raise KeyboardInterrupt from None
            raise explained(error, self._file) from error
        except UnicodeDecodeError as error:  # sqlite3 itself fails to read SQLite's report of what is damaged
            raise self._damaged("what is in it cannot be read") from error

    def _damaged(self, why: str) -> VectorIndexError:
        return damaged(self._file, why)


def _checksum(norms: npt.NDArray[np.float64], vectors: bytes) -> int:
    return zlib.crc32(vectors, zlib.crc32(norms.astype("<f8").tobytes()))
