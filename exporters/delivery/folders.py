"""Atomic folder replacement: complete or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runtime.errors import InputError

__all__ = ["atomic_folder", "check_folder"]


def check_folder(folder: Path, marker: str) -> None:
    """Raise InputError where `atomic_folder` would refuse the folder's present content."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; a folder is expected. Give a name that is free.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / marker).is_file():
        raise InputError(
            f"{folder} holds something else: it has no {marker}. Give a name that is free, or an empty folder."
        )


@contextlib.contextmanager
def atomic_folder(target: str | os.PathLike[str], marker: str) -> Iterator[Path]:
    """Yield an empty folder beside `target` that takes its place on success, and vanishes on any failure.

    Args:
        target: a folder that does not exist, is empty, or was made so before.
        marker: a file whose presence marks a folder made this way, which may be replaced; any other folder is refused.

    Raises:
        InputError: `target` is a file or a folder of something else, or cannot be written.
    """
    folder = Path(target)
    check_folder(folder, marker)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            made = Path(scratch) / "new"
            made.mkdir()
            yield made
            if folder.exists():
                folder.replace(Path(scratch) / "before")
            made.replace(folder)
    except (OSError, shutil.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"{folder} cannot be written: {reason}. Choose a folder you may write to.") from error
