"""The connection to the SQLite file of an embedded index, the limit of its queries, and its errors in words."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from runtime.errors import VectorIndexError
from runtime.regular_file import is_regular

__all__ = ["WAIT_SECONDS", "QueryLimit", "connect", "damaged", "explained", "is_interrupt", "missing_index"]

WAIT_SECONDS = 30.0


_STEPS = 100_000
_MOST_STEPS = 2_000_000_000
"""Instructions of SQLite's machine for one query: half a minute, and a hundred times what an index of ten million vectors needs."""


class QueryLimit:
    """A limit on the work of one query, and the way for Ctrl-C into it.

    Args:
        connection: whose queries are interrupted.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._steps = 0
        connection.set_progress_handler(self._count, _STEPS)  # Python, called now and then, looks for Ctrl-C

    def begin(self) -> None:
        """Begin to count for another query."""
        self._steps = 0

    @property
    def reached(self) -> bool:
        return self._steps >= _MOST_STEPS

    def _count(self) -> bool:
        self._steps += _STEPS
        return self.reached


def missing_index(folder: Path) -> VectorIndexError:
    """VectorIndexError of a folder without an index."""
    return VectorIndexError(
        f"there is no index at {folder}. Give dim (and metric and space) to make one, or the folder of one that exists."
    )


def connect(file: Path, may_create: bool) -> sqlite3.Connection:
    """Open an SQLite connection in autocommit, so that every BEGIN and COMMIT is explicit.

    Raises:
        VectorIndexError: there is no file and none is to be made, or the folder holds other things.
    """
    folder = file.parent
    try:
        if not file.exists():
            if not may_create:
                raise missing_index(folder)
            folder.mkdir(parents=True, exist_ok=True)
            others = [entry.name for entry in folder.iterdir() if not entry.name.startswith("index.sqlite")]
            if others:
                raise VectorIndexError(
                    f"{folder} holds other files, such as {others[0]!r}, and no index. Give a new or an empty folder."
                )
        elif not file.is_file():
            raise VectorIndexError(f"{file} is not a file; the folder {folder} is something else. Give another folder.")
        for beside in ("-wal", "-shm", "-journal"):  # SQLite opens these by itself
            other = file.with_name(file.name + beside)
            if os.path.lexists(other) and not is_regular(other):
                raise VectorIndexError(
                    f"{other} is not a file of its own. Remove it, or bring the index back from a copy."
                )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise VectorIndexError(f"{folder} cannot be the folder of an index: {reason}. Give another folder.") from error
    name = file.absolute().as_uri()
    if file.exists() and not os.access(folder, os.W_OK):
        log = file.with_name(file.name + "-wal")
        name += (
            "?mode=ro" if log.exists() else "?immutable=1"
        )  # a log needs reading too; without one nothing need be written
    return sqlite3.connect(name, uri=True, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)


def is_interrupt(error: sqlite3.Error) -> bool:
    """Test for the error of a query that was interrupted: by its limit, or by Ctrl-C."""
    return _kind(error) == sqlite3.SQLITE_INTERRUPT


def explained(error: sqlite3.Error, file: Path) -> VectorIndexError:
    """VectorIndexError of SQLite's error in the file of an index."""
    folder, kind = file.parent, _kind(error)
    if isinstance(error, sqlite3.ProgrammingError):
        return VectorIndexError(f"the index {folder} is closed. Open it again.")
    if kind == sqlite3.SQLITE_INTERRUPT:
        return damaged(file, "looking something up in it does not come to an end")
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return VectorIndexError(
            f"the index {folder} has been locked by another process for {WAIT_SECONDS:g} seconds. "
            "Try again when that one has finished."
        )
    if kind == sqlite3.SQLITE_FULL:
        return VectorIndexError(f"there is no room left for the index {folder}. Nothing was changed: free some space.")
    if kind in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
        return VectorIndexError(
            f"the index {folder} cannot be read or written there ({error}). Choose a folder you may write to."
        )
    return damaged(file, " ".join(str(error).split())[:200])  # SQLite may quote what it could not read


def damaged(file: Path, why: str) -> VectorIndexError:
    """VectorIndexError of a file that is not what was written."""
    return VectorIndexError(
        f"{file} is damaged, or is not a vector index: {why}. Bring it back from a copy, or make the index again "
        "in another folder."
    )


def _kind(error: sqlite3.Error) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None
