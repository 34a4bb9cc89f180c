"""Class indices, int64: made from labels, checked against the number of classes, counted for weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from runtime.errors import InputError, SpecError, suggest
from runtime.results import IGNORED
from toolkit.tasks.given_names import place_of_each
from toolkit.tasks.label_arrays import texts_of_bytes
from toolkit.tasks.refusal import refuse

__all__ = [
    "IGNORED",
    "balanced_class_weights",
    "check_class_range",
    "class_targets",
    "label_at",
    "named_classes",
    "weights_by_class",
]


def class_targets(
    values: Sequence[str] | np.ndarray, labels: Sequence[str] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class names or numbers (N,) -> (indices int64 (N,), labels). Whole numbers are ordered as numbers, names as text.

    Args:
        values: one per row.
        labels: the classes in the order of their indices, by the names that they have in the data, or by new ones
            (`place_of_each`); None takes those in the data.

    Raises:
        InputError: the labels do not fit the classes in the data, or a label is missing (None, NaN) or infinite.
    """
    _refuse_missing(values)
    array = texts_of_bytes(np.asarray(values))
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
    found, indices = tuple(str(value) for value in classes.tolist()), indices.reshape(-1).astype(np.int64)
    return (indices, found) if labels is None else named_classes(indices, found, labels)


def named_classes(
    indices: np.ndarray, found: Sequence[str], labels: Sequence[str], place: str | None = None, kind: str = "classes"
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Indices int64 of classes found in the data -> (those of the labels given for them, the labels).

    Args:
        indices: positions in `found`.
        found: names of the classes in the data.
        labels: names given for them.
        place, kind: where they were found and what they are, for messages: a folder, and "class folders".

    Raises:
        InputError: as `place_of_each`.
    """
    names = tuple(map(str, labels))
    given, has = f"{len(names)} class names were given", f"{place or 'the data'} has {len(found)} {kind}"
    if place is None:
        given += f" ({', '.join(names)})"
    else:
        has += f": {', '.join(found)}"
    places = place_of_each(found, names, given, has)
    return np.array(places, np.int64)[indices], names


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


def weights_by_class(weights: Mapping[Any, Any], labels: Sequence[str], what: str) -> list[Any]:
    """Weights by the names of the classes, or by their positions where none is named so -> one per class, in their order.

    Args:
        weights: class -> weight.
        labels: names of the classes.
        what: they are, for messages: "class_weights".

    Raises:
        SpecError: one is of no class, or a class has none.
    """
    given = {str(key): weight for key, weight in weights.items()}
    named = any(key in labels for key in given)
    classes = list(labels) if named else [str(position) for position in range(len(labels))]
    shown = ", ".join(labels[:8]) + ", ..." * (len(labels) > 8)
    unknown = next((key for key in given if key not in classes), None)
    if unknown is not None:
        positions = "" if named else f", nor a position from 0 to {len(labels) - 1}"
        raise SpecError(
            f"{what} has a number for {unknown!r}, which is none of the classes {shown}{positions}.{suggest(unknown, labels)}"
        )
    missing = next((name for name, key in zip(labels, classes, strict=True) if key not in given), None)
    if missing is not None:
        raise SpecError(f"{what} has no number for the class {missing!r}; one for each of {shown} is expected.")
    return [given[key] for key in classes]


def label_at(labels: Sequence[str], index: int) -> str | int:
    """The label of a class; its index where it has none, or is named after it."""
    return labels[index] if index < len(labels) and labels[index] != str(index) else index
