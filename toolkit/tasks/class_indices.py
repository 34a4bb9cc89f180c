"""Class indices, int64: made from labels, checked against the number of classes, counted for weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from runtime.errors import InputError
from runtime.results import IGNORED
from toolkit.tasks.refusal import refuse

__all__ = ["IGNORED", "balanced_class_weights", "check_class_range", "class_targets", "label_at"]


def class_targets(
    values: Sequence[str] | np.ndarray, labels: Sequence[str] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class names or numbers (N,) -> (indices int64 (N,), labels). Whole numbers are ordered as numbers, names as text.

    Args:
        values: one per row.
        labels: names for the sorted classes; None names them after themselves.

    Raises:
        InputError: another number of labels than of classes, or a label is missing (None, NaN) or infinite.
    """
    _refuse_missing(values)
    array = np.asarray(values)
    if array.dtype.kind in "fiub" and array.size and not np.equal(np.mod(array, 1), 0).all():
        bad = array[np.mod(array, 1) != 0][0]
        raise InputError(
            f"The label {bad} is not a whole number; class labels are whole numbers or names. For values use nn('reg')."
        )
    if array.dtype.kind in "fub":
        array = array.astype(np.int64)
    elif array.dtype.kind != "i" and all(str(value).removeprefix("-").isdecimal() for value in array.tolist()):
        array = np.array([int(value) for value in array.tolist()], np.int64)
    try:
        classes, indices = np.unique(array, return_inverse=True)
    except TypeError as error:
        raise InputError("The labels are of several kinds; give whole numbers or names, one a row.") from error
    if labels is None:
        return indices.reshape(-1).astype(np.int64), tuple(str(value) for value in classes.tolist())
    names = tuple(map(str, labels))
    if array.dtype.kind == "i" and array.size and array.min() >= 0 and array.max() < len(names):
        # numbers already are indices into the labels, also when a class has no example here
        return array.reshape(-1).astype(np.int64), names
    if len(names) != len(classes):
        raise InputError(
            f"{len(names)} class names were given ({', '.join(names)}); the data has {len(classes)} classes."
        )
    return indices.reshape(-1).astype(np.int64), names


def _refuse_missing(values: Sequence[str] | np.ndarray) -> None:
    """Raise InputError for missing or infinite labels, which NumPy would turn into classes named 'None' or 'nan'."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iubUS":
        return
    for row, value in enumerate(values, start=1):
        if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
            raise InputError(
                f"The label of row {row} is {value}; a whole number or a name is expected. Mend or remove the row."
            )


def check_class_range(name: str, targets: np.ndarray, count: int) -> None:
    """Raise SpecError of the loss `name` for an index outside 0 to `count` - 1."""
    if targets.size and (targets.min() < 0 or targets.max() >= count):
        wrong = targets.min() if targets.min() < 0 else targets.max()
        raise refuse(
            name,
            f"the label {wrong} occurs, and there are {count} classes.",
            f"Labels from 0 to {count - 1} are expected ({IGNORED} where a position has none).",
        )


def balanced_class_weights(targets: torch.Tensor, count: int) -> torch.Tensor:
    """Class indices int64, any shape -> float32 (count,): N / (count n) for a class of n of N positions, n at least 1."""
    classes = targets[targets != IGNORED]
    counts = torch.bincount(classes, minlength=count)[:count].clamp(min=1)
    return (len(classes) / (count * counts)).float()


def label_at(labels: Sequence[str], index: int) -> str | int:
    """The label of a class; its index where it has none, or is named after it."""
    return labels[index] if index < len(labels) and labels[index] != str(index) else index
