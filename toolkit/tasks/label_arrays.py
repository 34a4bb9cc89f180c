"""Labels as users give them -> arrays and names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import InputError

__all__ = ["as_array", "column_names", "distinct_rows", "label_array", "unfit_labels"]


def as_array(y: Any) -> np.ndarray:
    """Any nesting of rows -> an array. Raises InputError where the rows differ in length."""
    try:
        return np.asarray(y)
    except ValueError as error:
        raise InputError("The labels are ragged: their rows differ in length. Give rows of one length.") from error


def label_array(y: Any) -> np.ndarray:
    """Rows -> an array (N, ...). Raises InputError for ragged rows and for a single value."""
    targets = as_array(y)
    if targets.ndim == 0:
        raise InputError(f"The labels are {y!r}; one for each input is expected.")
    return targets


def column_names(labels: Sequence[str] | None, columns: int, what: str) -> tuple[str, ...]:
    """One class name per column of the labels; None numbers them. Raises InputError for another number of names."""
    names = tuple(map(str, labels)) if labels else tuple(map(str, range(columns)))
    if len(names) != columns:
        raise InputError(f"{len(names)} class names were given; the {what} have {columns} columns.")
    return names


def distinct_rows(targets: np.ndarray) -> np.ndarray:
    """Targets (N, ...) -> numbers int64 (N,), the same for equal targets."""
    return np.unique(targets, axis=0, return_inverse=True)[1].reshape(-1)


def unfit_labels(values: np.ndarray, place: Path, expected: str, task: str) -> InputError:
    """InputError of an array of labels from outside that is not what the task takes."""
    return InputError(
        f"The labels in {place} are {values.dtype} of shape {values.shape}; {expected} are expected for {task}."
    )
