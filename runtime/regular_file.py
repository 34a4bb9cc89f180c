"""Regular files: the only ones that are opened, since a pipe, a socket or a device may never end, or never begin."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

from runtime.errors import InputError, ToolkitError

__all__ = ["is_regular", "open_regular", "require_file"]


def require_file(
    path: str | os.PathLike[str], error: type[ToolkitError] = InputError, expected: str = "a file"
) -> Path:
    """Return the path of a regular file, or of a symbolic link to one.

    Args:
        path: as the user gave it.
        error: class of what is raised.
        expected: what is looked for, such as "one picture".

    Raises:
        ToolkitError: of the class `error`: there is nothing, or a folder, a pipe, a socket, a device, or a link in a circle.
    """
    given = Path(path)
    try:
        mode = given.stat().st_mode
    except (OSError, ValueError) as reason:  # ValueError: a NUL in the name
        if isinstance(reason, FileNotFoundError):
            why = "does not exist"
        else:
            why = f"cannot be opened ({(isinstance(reason, OSError) and reason.strerror) or reason})"
        raise error(f"{given} {why}. Check the path; it is looked up from {Path.cwd()}.") from reason
    if stat.S_ISDIR(mode):
        raise error(f"{given} is a folder; {expected} is expected.")
    if not stat.S_ISREG(mode):
        raise error(f"{given} is a {_kind(mode)}; {expected} is expected. Save what comes out of it as a file first.")
    return given


def open_regular(path: Path, mode: str = "rb") -> BinaryIO:
    """Open a file in a binary mode.

    Raises:
        FileNotFoundError: there is no regular file.
        OSError: it cannot be opened.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return cast("BinaryIO", path.open(mode))


def is_regular(path: str | os.PathLike[str]) -> bool:
    """Test for a regular file that lies there itself, not behind a symbolic link."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "pipe"
    return "socket" if stat.S_ISSOCK(mode) else "device"
