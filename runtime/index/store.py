"""Store of an embedded index, its authoritative data: one SQLite file in its folder.

    info     one row: what the index is, a generation that every change raises, and the range of places in use
    blocks   vectors as written, about 1 MiB at a time, with their lengths, a checksum and a random tag
    items    a live id, its place and its metadata
    fields   the metadata that can be filtered on, in the order a filter looks it up
    dead     places whose vector was replaced or deleted

A place is the number of a stored vector. It rises with every vector added, is never used twice and never changes
its vector, which is what lets other files be derived from blocks and be checked. When more than half of the places are dead, the
live vectors are written again at new places, in the same order and in the same transaction, and the old blocks go.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from runtime.errors import VectorIndexError
from runtime.index.checks import Block
from runtime.index.connection import WAIT_SECONDS, connect, missing_index
from runtime.index.interface import DTYPES, METRICS
from runtime.index.schema import APPLICATION, SCHEMA, VERSION, IndexInfo, SlotRange, StoredBlock
from runtime.index.where import Condition, Field, fields_of

__all__ = ["Store"]

_NAMES_AT_ONCE = 500
"""SQLite takes a limited number of bound values in one statement."""

_Item = TypeVar("_Item")


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
            yield
            self._run("UPDATE info SET generation = generation + 1")
            compacted = self._compact()
        if compacted:  # what was asked is done; to give the room back to the file system may fail
            with contextlib.suppress(sqlite3.Error):  # a script, since execute() frees one page only
                self._connection.executescript("PRAGMA incremental_vacuum")

    # Reading

    def extent(self) -> SlotRange:
        extent = SlotRange(*self._one("SELECT generation, first, stop FROM info"))
        if not all(isinstance(number, int) for number in extent) or not 0 <= extent.first <= extent.stop:
            raise self._damaged("the range of places cannot be read")
        return extent

    def blocks(self, first: int, stop: int) -> Iterator[StoredBlock]:
        """The blocks of the places from `first` to `stop`, which must be where blocks begin and end."""
        query = "SELECT first, length, tag, norms FROM blocks WHERE first >= ? AND first < ? ORDER BY first"
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
        query = "SELECT first, length, tag, norms FROM blocks WHERE first < ? ORDER BY first DESC LIMIT 1"
        row = self._run(query, (place,)).fetchone()
        return None if row is None else self._block(row)

    def vectors(self, block: StoredBlock) -> npt.NDArray[np.float32]:
        """The vectors of one block, (length, dim) float32."""
        data, checksum = self._one("SELECT vectors, checksum FROM blocks WHERE first = ?", (block.first,))
        dtype = np.dtype(self.facts.dtype).newbyteorder("<")
        if not isinstance(data, bytes) or len(data) != block.length * self.facts.dim * dtype.itemsize:
            raise self._damaged(f"the block at place {block.first} has the wrong size")
        if _checksum(block.norms, data) != checksum:
            raise self._damaged(f"the block at place {block.first} was altered")
        return np.frombuffer(data, dtype).reshape(block.length, self.facts.dim).astype(np.float32, copy=False)

    def dead(self, after: int) -> list[tuple[int, int]]:
        """Dead places after that number: (number, place)."""
        return self._run("SELECT number, place FROM dead WHERE number > ? ORDER BY number", (after,)).fetchall()

    def names(self, places: Sequence[int]) -> dict[int, str]:
        """Live ids at these places."""
        found: dict[int, str] = {}
        for part in _parts(places):
            found.update(self._run(f"SELECT place, id FROM items WHERE place IN ({_marks(part)})", part))  # noqa: S608
        return found

    def items(self, ids: Sequence[str]) -> dict[str, tuple[int, dict[str, Any]]]:
        """Place and metadata of the ids that exist: id -> (place, metadata)."""
        found: dict[str, tuple[int, dict[str, Any]]] = {}
        for part in _parts(ids):
            query = f"SELECT id, place, metadata FROM items WHERE id IN ({_marks(part)})"  # noqa: S608
            for name, place, text in self._run(query, part):
                found[name] = (place, self._facts(text))
        return found

    def matching(self, condition: Condition) -> npt.NDArray[np.int64]:
        """Places that match one condition of a filter, in no order."""
        found = [
            np.fromiter((row[0] for row in self._run(query, values)), np.int64) for query, values in condition.queries
        ]
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

    def tombstone(self, ids: Sequence[str]) -> int:
        """Mark the places of these ids as dead; returns how many of the ids existed."""
        found = list(self.items(ids).values())
        places = [(place,) for place, _ in found]
        fields = ((*field, place) for place, metadata in found for field in fields_of(metadata))
        self._connection.executemany(
            "DELETE FROM fields WHERE name = ? AND kind = ? AND value = ? AND place = ?", fields
        )
        self._connection.executemany("DELETE FROM items WHERE place = ?", places)
        self._connection.executemany("INSERT INTO dead (place) VALUES (?)", places)
        return len(found)

    def _compact(self) -> bool:
        """Compact: rewrite the live vectors at new places when more than half are dead; returns True where it did."""
        _, first, stop = self.extent()
        if 2 * self._one("SELECT count(*) FROM dead")[0] <= stop - first:
            return False
        alive = np.ones(stop - first, bool)
        alive[[place - first for _, place in self.dead(0)]] = False
        self.append(self._live_blocks(first, stop, alive))
        moved = zip((np.flatnonzero(alive) + first).tolist(), range(stop, stop + int(alive.sum())), strict=True)
        self._run("CREATE TEMP TABLE moved (old INTEGER PRIMARY KEY, new INTEGER NOT NULL)")
        self._connection.executemany("INSERT INTO moved VALUES (?, ?)", moved)
        self._run("UPDATE items SET place = (SELECT new FROM moved WHERE old = items.place)")
        self._run("UPDATE fields SET place = (SELECT new FROM moved WHERE old = fields.place)")
        self._run("DROP TABLE moved")
        self._run("DELETE FROM blocks WHERE first < ?", (stop,))
        self._run("DELETE FROM dead")
        self._run("UPDATE info SET first = ?", (stop,))
        return True

    def _live_blocks(self, first: int, stop: int, alive: npt.NDArray[np.bool_]) -> Iterator[Block]:
        """Live vectors in order, regrouped into blocks no smaller than most of the old ones."""
        dtype = np.dtype(self.facts.dtype).newbyteorder("<")
        parts: list[Block] = []
        for block in list(self.blocks(first, stop)):
            keep = alive[block.first - first : block.stop - first]
            parts.append(Block(self.vectors(block)[keep].astype(dtype), block.norms[keep]))
            if sum(part.vectors.nbytes for part in parts) >= 1 << 20 or block.stop == stop:
                joined = Block(np.concatenate([p.vectors for p in parts]), np.concatenate([p.norms for p in parts]))
                parts = []
                if len(joined.norms):
                    yield joined

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
                return  # another process made it meanwhile
            for statement in SCHEMA.split(";")[:-1]:
                run(statement)
            values = (VERSION, new.dim, new.metric, new.space, new.dtype, json.dumps(new.attributes))
            run("INSERT INTO info VALUES (1, ?, ?, ?, ?, ?, ?, 0, 0, 0)", values)
            run(f"PRAGMA application_id = {APPLICATION}")

    def _check_kind(self) -> None:
        if self._one("PRAGMA application_id")[0] != APPLICATION:
            raise VectorIndexError(
                f"{self._file} is an SQLite file, but not one of a vector index. Give another folder, or move that file away."
            )
        version = self._one("SELECT version FROM info")[0]
        if version != VERSION:
            raise VectorIndexError(
                f"the index {self._folder} has format version {version!r}; this release reads version {VERSION}. "
                "Use the release that made it, or make the index again."
            )
        size, pages = self._one("PRAGMA page_size")[0], self._one("PRAGMA page_count")[0]
        log = self._file.with_name(self._file.name + "-wal")
        pending = log.exists() and log.stat().st_size > 0  # then pages may be there rather than in the file
        if not pending and self._file.stat().st_size < size * pages:
            raise self._damaged("the file is cut short")

    def _read_facts(self) -> IndexInfo:
        dim, metric, space, dtype, attributes = self._one("SELECT dim, metric, space, dtype, attributes FROM info")
        whole = isinstance(dim, int) and dim > 0 and metric in METRICS and dtype in DTYPES
        if not whole or not isinstance(space, str | None):
            raise self._damaged("what the index is cannot be read")
        return IndexInfo(dim, metric, space, dtype, self._facts(attributes))

    # Small things

    def _run(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self._connection.execute(query, values)

    def _one(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        row = self._run(query, values).fetchone()
        if row is None:
            raise self._damaged("a row is missing")
        return tuple(row)

    def _block(self, row: tuple[Any, ...]) -> StoredBlock:
        first, length, tag, norms = row
        whole = isinstance(length, int) and length > 0 and isinstance(tag, int) and isinstance(norms, bytes)
        if not whole or len(norms) != 8 * length:
            raise self._damaged(f"the block at place {first} is incomplete")
        return StoredBlock(first, length, tag, np.frombuffer(norms, "<f8"))

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
                self._run("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Translate SQLite's errors into VectorIndexError."""
        try:
            yield
        except sqlite3.ProgrammingError as error:
            raise VectorIndexError(f"the index {self._folder} is closed. Open it again.") from error
        except sqlite3.Error as error:
            raise self._explained(error) from error
        except UnicodeDecodeError as error:  # sqlite3 itself fails to read SQLite's report of what is damaged
            raise self._damaged("what is in it cannot be read") from error

    def _explained(self, error: sqlite3.Error) -> VectorIndexError:
        code = getattr(error, "sqlite_errorcode", None)
        kind = code & 0xFF if isinstance(code, int) else None
        if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return VectorIndexError(
                f"the index {self._folder} has been locked by another process for {WAIT_SECONDS:g} seconds. "
                "Try again when that one has finished."
            )
        if kind == sqlite3.SQLITE_FULL:
            return VectorIndexError(
                f"there is no room left for the index {self._folder}. Nothing was changed: free some space."
            )
        if kind in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
            return VectorIndexError(
                f"the index {self._folder} cannot be read or written there ({error}). Choose a folder you may write to."
            )
        return self._damaged(" ".join(str(error).split())[:200])  # SQLite may quote what it could not read

    def _damaged(self, why: str) -> VectorIndexError:
        return VectorIndexError(
            f"{self._file} is damaged, or is not a vector index: {why}. Bring it back from a copy, or make the index again "
            "in another folder."
        )


def _checksum(norms: npt.NDArray[np.float64], vectors: bytes) -> int:
    return zlib.crc32(vectors, zlib.crc32(norms.astype("<f8").tobytes()))


def _parts(values: Sequence[_Item]) -> Iterator[list[_Item]]:
    for start in range(0, len(values), _NAMES_AT_ONCE):
        yield list(values[start : start + _NAMES_AT_ONCE])


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))
