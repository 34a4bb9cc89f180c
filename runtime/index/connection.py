"""The connection to the SQLite file of an embedded index."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from runtime.errors import VectorIndexError

__all__ = ["WAIT_SECONDS", "connect", "missing_index"]

WAIT_SECONDS = 30.0


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
