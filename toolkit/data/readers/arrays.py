"""Arrays -> a data set."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from runtime.card import ArrayInput, ImageInput, InputCard
from runtime.errors import InputError, ToolkitWarning
from toolkit.data.dataset import Dataset
from toolkit.data.stores import PixelStore, RowStore, Store
from toolkit.data.targets import make_targets
from toolkit.tasks.registry import DEFAULT_TASK

__all__ = ["LayoutWarning", "array_inputs", "load_arrays", "pixels_dataset"]


class LayoutWarning(ToolkitWarning):
    """Warning: arrays that are pictures by their shape have their channels last, where layers take them first."""


def load_arrays(
    x: Any,
    y: Any,
    *,
    task: str = DEFAULT_TASK,
    labels: Sequence[str] | None = None,
    source: str = "arrays",
    tokens: bool = False,
) -> Dataset:
    """Arrays -> a data set.

    Args:
        x: (N, ...). uint8 pictures (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels are scaled to 0..1 and the
            card says so; other arrays are converted to float32 only. A list of N arrays (L_i, F) of different lengths is
            filled up with zeros, as `load_sequences` does.
        y: as `make_targets` takes it: for classification (N,) or (N, 1) labels or one-hot (N, K); for regression (N,) or
            (N, T) numbers; for several labels at once (N, K) of 0 and 1; for a class at each position (N, L) or (N, H, W).
        task: what `y` is for.
        labels: class names.
        source: named in the card.
        tokens: whole numbers stay whole (int64), for an embedding layer.

    Raises:
        InputError: lengths differ, there are no rows, or values are not numbers or not finite.
    """
    if _is_ragged(x):
        from toolkit.data.readers.sequences import load_sequences

        return load_sequences(x, y, task=task, labels=labels, source=source)
    card, inputs = array_inputs(x, tokens=tokens)
    if not hasattr(y, "__len__") or (isinstance(y, np.ndarray) and y.ndim == 0):
        raise InputError(f"The labels are {y!r}; one for each of the {len(inputs)} inputs is expected.")
    if len(inputs) != len(y):
        raise InputError(f"There are {len(inputs)} inputs, but {len(y)} labels; one for each is expected.")
    targets, names = make_targets(y, task, labels)
    return Dataset(task, card, inputs, targets, names, source)


def array_inputs(x: Any, *, tokens: bool = False) -> tuple[InputCard, Store]:
    """Inputs (N, ...) as `load_arrays` takes them -> (the card's input, the prepared inputs).

    Raises:
        InputError: as `load_arrays`.
    """
    try:
        rows = np.asarray(x)
    except ValueError as error:
        raise InputError(
            "The inputs are ragged: their rows differ in length. Give rows of one length, or arrays (steps, features)."
        ) from error
    if rows.dtype.kind in "US":
        raise InputError("The inputs are texts. Load them with load_texts, which looks them up in a vocabulary.")
    if rows.ndim < 2 or rows.size == 0:
        raise InputError(
            f"The inputs have the shape {rows.shape}; (N, ...) with at least one row, and at least one number in each, is "
            f"expected."
        )
    if rows.dtype.kind in "Mm":
        raise InputError(f"The inputs are dates or times ({rows.dtype}); numbers are expected. Turn them into numbers.")
    if rows.dtype.kind == "c":
        raise InputError(
            f"The inputs are complex ({rows.dtype}); real numbers are expected. Give their parts or magnitudes."
        )
    if tokens:
        if rows.dtype.kind not in "iu" or int(rows.min()) < 0:
            raise InputError(
                f"The tokens are {rows.dtype} of shape {rows.shape}; whole numbers of at least 0 are expected."
            )
        return ArrayInput("input", rows.shape[1:], "int64"), RowStore(rows.astype(np.int64))
    if rows.dtype == np.uint8 and rows.ndim in (3, 4):
        pixels = _channels_first(rows)
        if pixels is not None:
            card = _pixel_card(pixels)
            return card, PixelStore(pixels, card)
    if rows.dtype.kind == "f" and _channels_seem_last(rows.shape):
        count, height, width, channels = rows.shape
        warnings.warn(
            f"The inputs are {rows.dtype} of shape {rows.shape}. If they are pictures, their channels are last, and layers take them first, "
            f"({count}, {channels}, {height}, {width}): give x.transpose(0, 3, 1, 2). uint8 pictures are taken either way.",
            LayoutWarning,
            stacklevel=2,
        )
    try:
        with np.errstate(over="ignore"):
            numbers = rows.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"The inputs of dtype {rows.dtype} cannot be read as numbers: {error}.") from error
    if not np.isfinite(numbers).all():
        where = tuple(map(int, np.argwhere(~np.isfinite(numbers))[0]))
        raise InputError(f"The inputs hold {rows[where]} at position {where}; finite numbers of float32 are expected.")
    return ArrayInput("input", numbers.shape[1:]), RowStore(numbers)


def pixels_dataset(pixels: np.ndarray, targets: np.ndarray, labels: tuple[str, ...], task: str, source: str) -> Dataset:
    """uint8 (N, C, H, W) pictures -> a data set of pictures scaled to 0..1."""
    card = _pixel_card(pixels)
    return Dataset(task, card, PixelStore(pixels, card), targets, labels, source)


def _pixel_card(pixels: np.ndarray) -> ImageInput:
    channels, height, width = pixels.shape[1:]
    return ImageInput(
        "input", color="RGB" if channels == 3 else "grayscale", size=(height, width), resize=(height, width)
    )


def _channels_first(rows: np.ndarray) -> np.ndarray | None:
    if rows.ndim == 3:
        return rows[:, None]
    if rows.shape[1] in (1, 3):
        return rows
    if rows.shape[-1] in (1, 3):
        return rows.transpose(0, 3, 1, 2)
    return None


def _channels_seem_last(shape: tuple[int, ...]) -> bool:
    """True for (N, H, W, C) with lengths that pictures have."""
    return len(shape) == 4 and shape[3] in (1, 3) and min(shape[1:3]) > 4


def _is_ragged(x: Any) -> bool:
    """True for N arrays (L_i, F) or (L_i,) whose lengths differ; ragged lists of numbers count as malformed rows."""
    if not isinstance(x, list | tuple) and not (isinstance(x, np.ndarray) and x.dtype == object and x.ndim == 1):
        return False
    try:
        shapes = {np.shape(entry) for entry in x}
    except ValueError:
        return False
    arrays = all(isinstance(entry, np.ndarray) for entry in x)
    return len(shapes) > 1 and all(len(shape) == 2 or (len(shape) == 1 and arrays) for shape in shapes)
