"""Atomic file writing: completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runtime.errors import InputError

__all__ = ["atomic_path", "atomic_write", "check_regular", "is_disk_full"]


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the folder of `target`; on success it replaces `target`.

    The temporary file is flushed to disk before the replacement and removed on any failure, so
    `target` is either the whole new file or what it was before. Missing folders are made.

    Raises:
        InputError: the folder cannot be made or written, or `target` is a folder or a device.
    """
    path = Path(target)
    if os.path.isdir(path):  # which says no, and does not raise, of a name that is too long
        raise InputError(f"{path} is a folder; a file name is expected. Give one inside it, such as {path / 'file'}.")
    check_regular(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror or error}. Choose a folder you may write to."
        ) from error
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise InputError(
            f"{path} could not be written whole: {error.strerror}. Free some space and try again."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write(target: str | os.PathLike[str], content: bytes | str) -> None:
    """Write `content` (text as UTF-8) to `target` through a temporary file in the same folder."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def check_regular(path: Path) -> None:
    """Raise InputError for a device or a pipe, such as /dev/null: a new file would take its place for every program."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(f"{path} is a device or a pipe, which a file cannot replace. Name a file.")


def is_disk_full(error: BaseException) -> bool:
    """Test for an error of a full disk: no space left, quota exceeded, or file too large."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
