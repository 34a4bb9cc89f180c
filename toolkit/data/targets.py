"""Targets of a task from labels or values, with their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from runtime.errors import InputError, suggest
from toolkit.data.dataset import IGNORED, TASKS, Task, class_targets

__all__ = ["make_targets"]


def make_targets(y: Any, task: Task, labels: Sequence[str] | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels or values, one entry per row -> (targets as `Dataset` has them, names of the classes or values).

    Args:
        y: for classification (N,) or (N, 1) names or whole numbers, or one-hot (N, K);
            for multilabel (N, K) of 0 and 1, or a list of N lists of names;
            for regression (N,) or (N, T) numbers;
            for dense (N, L) or (N, H, W) whole numbers, or a list of N arrays (L_i,) of different lengths; -100 is
            ignored.
        task: the task of the targets.
        labels: names of the classes or values; None takes those in the data, or numbers them.

    Raises:
        InputError: the shape, the kind or a value does not fit the task, or there is another number of names.
    """
    if task == "multilabel":
        return _multilabel(y, labels)
    if task == "dense":
        return _dense(y, labels)
    targets = _array(y)
    if targets.ndim == 0:
        raise InputError(f"The labels are {y!r}; one for each input is expected.")
    if task == "regression":
        return _regression(targets, labels)
    if task == "classification":
        return _classification(targets, labels)
    if task == "embedding":
        raise InputError("An embedding learns from pairs or triplets; load them with load_pairs or load_triplets.")
    raise InputError(f"The task {task!r} was given.{suggest(str(task), TASKS)}")


def _array(y: Any) -> np.ndarray:
    try:
        return np.asarray(y)
    except ValueError as error:
        raise InputError("The labels are ragged: their rows differ in length. Give rows of one length.") from error


def _regression(targets: np.ndarray, labels: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    try:
        with np.errstate(over="ignore"):
            values = targets.astype(np.float32).reshape(len(targets), -1)
    except (TypeError, ValueError) as error:
        raise InputError(f"The targets of dtype {targets.dtype} cannot be read as numbers: {error}.") from error
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise InputError(f"The target of row {row + 1} is {targets[row]}; finite numbers of float32 are expected.")
    names = tuple(map(str, labels)) if labels else tuple(f"target {n}" for n in range(values.shape[1]))
    if len(names) != values.shape[1]:
        raise InputError(f"{len(names)} names were given for {values.shape[1]} targets; one for each is expected.")
    return values, names if values.shape[1] > 1 or labels else ("target",)


def _classification(targets: np.ndarray, labels: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.ndim == 2:
        one_hot = targets.dtype.kind in "fiub" and np.isin(targets, (0, 1)).all() and (targets.sum(1) == 1).all()
        if not one_hot:
            several = targets.dtype.kind in "fiub" and np.isin(targets, (0, 1)).all()
            hint = " For several labels at once use the task 'multilabel'." if several else ""
            raise InputError(
                f"The labels have the shape {targets.shape}; (N,) class labels or one-hot rows (N, K) are expected.{hint}"
            )
        return targets.argmax(1).astype(np.int64), _names(labels, targets.shape[1], "one-hot labels")
    if targets.ndim != 1:
        hint = " For one class a position, (N, L) or (N, H, W), use nn('dense')." if targets.ndim == 3 else ""
        raise InputError(f"The labels have the shape {targets.shape}; (N,) is expected.{hint}")
    return class_targets(targets, labels)


def _names(labels: Sequence[str] | None, columns: int, what: str) -> tuple[str, ...]:
    names = tuple(map(str, labels)) if labels else tuple(map(str, range(columns)))
    if len(names) != columns:
        raise InputError(f"{len(names)} class names were given; the {what} have {columns} columns.")
    return names


def _multilabel(y: Any, labels: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    if isinstance(y, list | tuple) and y and all(isinstance(row, list | tuple | set | frozenset) for row in y):
        found = [name for row in y for name in row]
        if found and all(isinstance(name, str) for name in found):
            return _named_labels([set(row) for row in y], labels)
    targets = _array(y)
    if targets.ndim == 1:
        targets = targets[:, None]
    if targets.ndim != 2 or targets.dtype.kind not in "fiub" or not np.isin(targets, (0, 1)).all():
        raise InputError(
            f"The labels are {targets.dtype} of shape {targets.shape}; rows (N, K) of 0 and 1, or a list of names for each row, "
            f"are expected for several labels at once."
        )
    return targets.astype(np.float32), _names(labels, targets.shape[1], "labels")


def _named_labels(rows: list[set[str]], labels: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    names = tuple(map(str, labels)) if labels else tuple(sorted(set().union(*rows)))
    for number, row in enumerate(rows, start=1):
        unknown = sorted(row - set(names))
        if unknown:
            raise InputError(f"Row {number} has the label {unknown[0]!r}.{suggest(unknown[0], names)}")
    values = np.array([[name in row for name in names] for row in rows], np.float32)
    return values, names


def _dense(y: Any, labels: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    targets = _padded(y)
    if targets.ndim not in (2, 3) or targets.dtype.kind not in "iub":
        raise InputError(
            f"The labels are {targets.dtype} of shape {targets.shape}; whole numbers (N, L) or (N, H, W), a class at each "
            f"position, are expected. {IGNORED} counts for nothing."
        )
    values = targets.astype(np.int64)
    real = values[values != IGNORED]
    if real.size == 0:
        raise InputError(
            f"Every position's label is {IGNORED}, which counts for nothing; at least one class is expected."
        )
    count = len(labels) if labels else int(real.max()) + 1
    if real.min() < 0 or real.max() >= count:
        wrong = values != IGNORED
        wrong &= (values < 0) | (values >= count)
        where = tuple(map(int, np.argwhere(wrong)[0]))
        raise InputError(
            f"The label at position {where} is {values[where]}; 0 to {count - 1}, or {IGNORED} where none counts, is expected."
        )
    return values, tuple(map(str, labels)) if labels else tuple(map(str, range(count)))


def _padded(y: Any) -> np.ndarray:
    """Rows of different lengths are filled up with `IGNORED`."""
    if not isinstance(y, list | tuple):
        return _array(y)
    rows = [_array(row) for row in y]
    if not rows or any(row.ndim != 1 for row in rows) or len({len(row) for row in rows}) == 1:
        return _array(y)
    if any(row.dtype.kind not in "iub" and row.size for row in rows):
        raise InputError("The labels of a sequence are not whole numbers; a class at each step is expected.")
    padded = np.full((len(rows), max(len(row) for row in rows)), IGNORED, np.int64)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded
