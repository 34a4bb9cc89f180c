"""Staging of an export: a private folder beside the target, from which finished files are moved into place at the end."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runtime.atomic import check_regular, is_disk_full
from runtime.errors import InputError

__all__ = ["external_data_path", "staging"]


def external_data_path(path: Path) -> Path:
    """`model.onnx` -> `model.onnx.data`, which holds the weights of a model that is too large for one file."""
    return path.with_name(path.name + ".data")


@contextlib.contextmanager
def staging(target: Path) -> Iterator[Path]:
    """Yield a path of the target's name in a folder of its own; on success what lies there replaces the target.

    Weights in a second file take their place first, the model last. Whatever else lies in the folder is removed, on
    success and on any failure. Missing folders are made.

    Raises:
        InputError: the folder cannot be made or written, or `target` is a folder or a device.
    """
    if os.path.isdir(target):  # which says no, and does not raise, of a name that is too long
        raise InputError(
            f"{target} is a folder; a file name is expected. Give one inside it, such as {target / 'model.onnx'}."
        )
    check_regular(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=f".{target.stem}-", dir=target.parent, ignore_cleanup_errors=True)
    except OSError as error:
        raise InputError(
            f"{target} cannot be written: {error.strerror or error}. Choose a folder you may write to."
        ) from error
    with folder as name:
        path = Path(name) / target.name
        try:
            yield path
            left_over = path.exists() and not external_data_path(path).exists() and _has_second_file(target)
            for source, place in (
                (external_data_path(path), external_data_path(target)),
                (path, target),
            ):
                if source.exists():
                    with source.open("rb+") as file:
                        os.fsync(file.fileno())
                    source.replace(place)
            if left_over:  # those of the model that was there before
                external_data_path(target).unlink(missing_ok=True)
        except OSError as error:
            if not is_disk_full(error):
                raise
            raise InputError(
                f"{target} could not be written whole: {error.strerror}. Free some space and try again."
            ) from error


def _has_second_file(target: Path) -> bool:
    """Test that the model at `target` refers to the data file beside it; a file it does not refer to is left alone."""
    data = external_data_path(target)
    return data.is_file() and target.is_file() and data.name.encode() in target.read_bytes()
