"""Arrays and NPZ files -> a data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runtime.card import ArrayInput, ImageInput
from runtime.errors import InputError
from toolkit.data.dataset import Dataset, Task, class_targets
from toolkit.data.stores import RowStore, store_pixels

__all__ = ["load_arrays", "load_npz", "pixels_dataset"]


def load_arrays(
    x: Any, y: Any, *, task: Task = "classification", labels: Sequence[str] | None = None, source: str = "arrays"
) -> Dataset:
    """Arrays -> a data set.

    Args:
        x: (N, ...). uint8 pictures (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels are scaled to 0..1 and the
            card says so; anything else is taken as it is, as float32.
        y: for classification (N,) or (N, 1) labels or one-hot (N, K); for regression (N,) or (N, T) numbers.
        task: what `y` is for.
        labels: class names.
        source: named in the card.

    Raises:
        InputError: lengths differ, there are no rows, or values are not numbers or not finite.
    """
    try:
        rows, targets = np.asarray(x), np.asarray(y)
    except ValueError as error:
        raise InputError(f"The inputs or labels are ragged: {error}. Give rows of one length.") from error
    if rows.ndim < 2 or len(rows) == 0:
        raise InputError(f"The inputs have the shape {rows.shape}; (N, ...) with at least one row is expected.")
    if targets.ndim == 0:
        raise InputError(f"The labels are {y!r}; one for each of the {len(rows)} inputs is expected.")
    if len(rows) != len(targets):
        raise InputError(f"There are {len(rows)} inputs, but {len(targets)} labels; one for each is expected.")
    values, names = _targets(targets, task, labels)
    if rows.dtype == np.uint8 and rows.ndim in (3, 4):
        pixels = _channels_first(rows)
        if pixels is not None:
            return pixels_dataset(pixels, values, names, task, source)
    try:
        numbers = rows.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"The inputs of dtype {rows.dtype} cannot be read as numbers: {error}.") from error
    if not np.isfinite(numbers).all():
        where = tuple(map(int, np.argwhere(~np.isfinite(numbers))[0]))
        raise InputError(f"The inputs hold {numbers[where]} at position {where}; finite numbers are expected.")
    return Dataset(task, ArrayInput("input", numbers.shape[1:]), RowStore(numbers), values, names, source)


def load_npz(
    path: str | os.PathLike[str], *, task: Task = "classification", labels: Sequence[str] | None = None
) -> Dataset:
    """An NPZ file with the arrays ``data`` and ``label`` -> a data set, as `load_arrays`.

    Raises:
        InputError: the file is missing or damaged, lacks an array, or holds pickled objects.
    """
    source = Path(path)
    if not source.is_file():
        raise InputError(
            f"{source} does not exist or is not a file. Check the path; it is looked up from {Path.cwd()}."
        )
    try:
        # opened here: NumPy leaves a file that is no archive open
        with source.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # a damaged file fails in many ways inside zipfile, zlib and NumPy
        if "allow_pickle" in str(error):
            raise InputError(
                f"{source} holds pickled Python objects, which could run code when opened. Save plain arrays instead: "
                f"np.savez(file, data=x, label=y) with numbers or text of a fixed dtype."
            ) from error
        raise InputError(
            f"{source} cannot be read as an NPZ file: {error}. Save it with np.savez(file, data=x, label=y)."
        ) from error
    for name in ("data", "label"):
        if name not in arrays:
            raise InputError(f"{source} lacks the array {name!r}; it has {', '.join(arrays) or 'none'}.")
    return load_arrays(arrays["data"], arrays["label"], task=task, labels=labels, source=str(source))


def pixels_dataset(
    pixels: np.ndarray, targets: np.ndarray, labels: tuple[str, ...], task: Task, source: str
) -> Dataset:
    """uint8 (N, C, H, W) pictures -> a data set of pictures scaled to 0..1."""
    channels, height, width = pixels.shape[1:]
    card = ImageInput(
        "input", color="RGB" if channels == 3 else "grayscale", size=(height, width), resize=(height, width)
    )
    return Dataset(task, card, store_pixels(pixels, card), targets, labels, source)


def _channels_first(rows: np.ndarray) -> np.ndarray | None:
    if rows.ndim == 3:
        return rows[:, None]
    if rows.shape[1] in (1, 3):
        return rows
    if rows.shape[-1] in (1, 3):
        return rows.transpose(0, 3, 1, 2)
    return None


def _targets(targets: np.ndarray, task: Task, labels: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    if task == "regression":
        try:
            values = targets.astype(np.float32).reshape(len(targets), -1)
        except (TypeError, ValueError) as error:
            raise InputError(f"The targets of dtype {targets.dtype} cannot be read as numbers: {error}.") from error
        if not np.isfinite(values).all():
            raise InputError("The targets hold NaN or infinity; finite numbers are expected.")
        names = tuple(map(str, labels)) if labels else tuple(f"target {n}" for n in range(values.shape[1]))
        if len(names) != values.shape[1]:
            raise InputError(f"{len(names)} names were given for {values.shape[1]} targets; one for each is expected.")
        return values, names if values.shape[1] > 1 or labels else ("target",)
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.ndim == 2:
        one_hot = targets.dtype.kind in "fiub" and (targets.sum(1) == 1).all() and np.isin(targets, (0, 1)).all()
        if not one_hot:
            raise InputError(
                f"The labels have the shape {targets.shape}; (N,) class labels or one-hot rows (N, K) are expected."
            )
        names = tuple(map(str, labels)) if labels else tuple(map(str, range(targets.shape[1])))
        if len(names) != targets.shape[1]:
            raise InputError(
                f"{len(names)} class names were given; the one-hot labels have {targets.shape[1]} columns."
            )
        return targets.argmax(1).astype(np.int64), names
    if targets.ndim != 1:
        raise InputError(f"The labels have the shape {targets.shape}; (N,) is expected.")
    return class_targets(targets, labels)
