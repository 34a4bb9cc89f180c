"""The folder of a run: one training at a time, and no earlier one replaced."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from runtime.errors import InputError
from toolkit.training.checkpoints.checkpoint import Checkpoint

__all__ = ["LOCK", "clear_leftovers", "find_earlier", "locked", "make_folder", "set_aside"]

LOCK = ".training.lock"
_CHECKPOINTS = ("last.pth", "best.pth")
_WRITTEN = (
    *_CHECKPOINTS,
    "history.json",
    "history.csv",
    "run.json",
    "run.toml",
    "curves.png",
    "confusion.png",
    "tensorboard",
)
# Temporary files of a killed save, as `runtime.atomic` names them.
_LEFTOVER = re.compile(r"\.(last|best|history|run|curves|confusion)-[^.]+\.(pth|json|csv|png)")
# Seconds: worker processes of a training that was killed end a moment after it.
_PATIENCE = 2.0


def make_folder(folder: Path) -> None:
    """The folder and those above it. Raises InputError where they cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "there is a file of that name" if isinstance(error, FileExistsError) else error.strerror
        raise InputError(f"The folder {folder} cannot be made: {reason}. Choose another for the training.") from error


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Context manager: no other training writes into the folder. The lock ends with its process, however that ends.

    Raises:
        InputError: another training is under way in it.
    """
    from filelock import FileLock, Timeout

    make_folder(folder)
    lock = FileLock(folder / LOCK, timeout=_PATIENCE)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"Another training is writing into {folder}. Wait until it ends, or choose another folder for this one."
        ) from None
    except (NotImplementedError, OSError):  # a file system without locks, or a folder that a later error speaks of
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows does not remove a file that is open
            (folder / LOCK).unlink()
        lock.release()


def find_earlier(folder: Path) -> str | None:
    """What an earlier training in the folder has done, in words; None where there was none."""
    found = next((folder / name for name in _CHECKPOINTS if (folder / name).is_file()), None)
    if found is None:
        return None
    try:
        state = Checkpoint.load(found).training
        return f"a training of {int(state['epoch'])} of {int(state['settings']['epochs'])} epochs"
    except Exception:  # one that is damaged, or of a later version: it is somebody's all the same
        return "a training"


def set_aside(folder: Path, *others: str) -> Path:
    """Move the files of an earlier training, and others of these names, into a new folder inside; returns that."""
    new = next(path for number in itertools.count(1) if not (path := folder / f"earlier-{number}").exists())
    new.mkdir()
    for name in dict.fromkeys((*_WRITTEN, *others)):
        if (folder / name).exists():
            (folder / name).rename(new / name)
    return new


def clear_leftovers(folder: Path) -> None:
    """Remove what a killed training left half written."""
    for path in folder.iterdir():
        if _LEFTOVER.fullmatch(path.name):
            path.unlink(missing_ok=True)
