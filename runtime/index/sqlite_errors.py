"""SQLite's errors in the words of an index."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from runtime.errors import VectorIndexError
from runtime.index.connection import WAIT_SECONDS

__all__ = ["damaged", "explained", "is_interrupt"]


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
