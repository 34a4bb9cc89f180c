"""Data frames (pandas, polars, pyarrow, or a mapping of columns) -> a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from runtime.card import TableInput
from runtime.errors import InputError
from runtime.preprocess import prepare_table
from toolkit.data.class_names import class_names
from toolkit.data.dataset import Dataset
from toolkit.data.readers.table_names import check_label_is_last, check_named
from toolkit.data.readers.tables import scaled_columns, target_columns
from toolkit.data.stores import RowStore
from toolkit.data.targets import make_targets
from toolkit.tasks.label_arrays import texts_of_bytes
from toolkit.tasks.registry import DEFAULT_TASK, find_task

__all__ = ["is_frame", "join_labels", "load_frame"]


def is_frame(value: Any) -> bool:
    """True for a value with named columns: a frame of pandas or polars, a table of pyarrow, or a mapping of columns."""
    named = hasattr(value, "columns") or hasattr(value, "column_names")
    return isinstance(value, Mapping) or (named and hasattr(value, "__getitem__"))


def load_frame(
    frame: Any,
    label: str | Sequence[str] | None = None,
    *,
    task: str = DEFAULT_TASK,
    labels: Sequence[str] | None = None,
    scale: bool = True,
    source: str = "data frame",
) -> Dataset:
    """A data frame -> a data set, as `load_csv` makes one of a file.

    Args:
        frame: pandas, polars or pyarrow, or a mapping from column names to columns.
        label: the label's column; several for regression or for several labels at once. None takes the last.
        task, labels, scale: as for `load_csv`.
        source: named in the card.

    Raises:
        InputError: it is no data frame, lacks a column, or a cell is missing or is not a number.
    """
    names = _names(frame)
    if len(names) < 2:
        raise InputError(f"The data frame has {len(names)} columns; at least one of numbers and a label are expected.")
    if label is None:
        check_label_is_last(names, "The data frame")
    targets = target_columns(names, label, "The data frame")
    columns = [name for name in names if name not in targets]
    check_named(columns, "The data frame")
    if not columns:
        raise InputError(f"The data frame has no columns but the labels {', '.join(targets)}.")
    lengths = {name: len(_column(frame, name)) for name in names}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(f"The columns differ in length: {listed}. Bring them to one.")
    if not lengths[names[0]]:
        raise InputError("The data frame has no rows; at least one is expected.")
    y, labels = find_task(task).label_columns(
        targets, lambda name: _labels(frame, name), lambda chosen: _number_columns(frame, chosen), class_names(labels)
    )
    values = _number_columns(frame, columns)
    card: TableInput = scaled_columns(values, columns, scale)
    found, names_ = make_targets(y, task, labels)
    return Dataset(task, card, RowStore(prepare_table(values, card)), found, names_, source)


def join_labels(frame: Any, labels: Any) -> tuple[dict[str, Any], list[str]]:
    """Join columns with separate labels -> (all columns by name, the labels' names), as `load_frame` takes them.

    Args:
        frame: the columns of numbers.
        labels: a series, an array (N,), a list, or a frame with one or several columns; rows belong together by position.

    Raises:
        InputError: a label column has the name of a feature column.
    """
    columns = {name: _column(frame, name) for name in _names(frame)}
    if is_frame(labels):
        targets = {name: _column(labels, name) for name in _names(labels)}
    else:
        name = getattr(labels, "name", None)
        targets = {name if isinstance(name, str) and name else "label": np.asarray(labels)}
    both = next((name for name in targets if name in columns), None)
    if both is not None:
        raise InputError(f"The column {both!r} is among the numbers and among the labels. Take it out of one of them.")
    return {**columns, **targets}, list(targets)


def _names(frame: Any) -> list[str]:
    names: list[Any]
    if isinstance(frame, Mapping):
        names = list(frame)
    elif is_frame(frame):
        names = list(frame.column_names if hasattr(frame, "column_names") else frame.columns)
    else:
        raise InputError(
            f"A {type(frame).__name__} was given; a data frame (pandas, polars, pyarrow) or a mapping of columns is expected."
        )
    other = next((name for name in names if not isinstance(name, str)), None)
    if other is not None:
        raise InputError(f"The data frame has a column named {other!r}; texts are expected. Rename it.")
    return names


def _column(frame: Any, name: str) -> np.ndarray:
    try:
        column = texts_of_bytes(np.asarray(frame[name]))
    except Exception as error:  # each library has errors of its own
        raise InputError(f"The column {name!r} cannot be read: {error}.") from error
    if column.ndim != 1:
        raise InputError(f"The column {name!r} has the shape {column.shape}; one value a row is expected.")
    return column


def _numbers(frame: Any, name: str) -> np.ndarray:
    """One column -> float64 (N,), each finite."""
    column = _column(frame, name)
    if column.dtype.kind in "Mm":
        raise InputError(
            f"The column {name!r} holds dates or times ({column.dtype}); numbers are expected. Turn it into numbers or drop it."
        )
    if column.dtype.kind in "fiub":
        values = column.astype(np.float64)
    else:
        values = np.array([_number(cell) for cell in column.tolist()], np.float64)
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        cell = column[wrong[:1]].tolist()[0]
        raise InputError(
            f"The data frame, row {wrong[0] + 1}, column {name!r}: the cell is {cell!r}; a number is expected. Mend the cell, or "
            f"remove the row or the column."
        )
    return values


def _number_columns(frame: Any, names: Sequence[str]) -> np.ndarray:
    """Columns -> float64 (N, columns), each finite."""
    return np.stack([_numbers(frame, name) for name in names], axis=1)


def _number(cell: Any) -> float:
    try:
        return float("nan") if isinstance(cell, str) else float(cell)
    except (TypeError, ValueError):
        return float("nan")


def _labels(frame: Any, name: str) -> np.ndarray:
    """One column of class names or whole numbers."""
    column = _column(frame, name)
    for number, cell in enumerate(column.tolist(), start=1):
        # a missing value is None, NaN or its library's marker, which differ from themselves or report being missing
        missing = cell is None or (isinstance(cell, float) and not np.isfinite(cell)) or type(cell).__name__ == "NAType"
        if missing or cell == "":
            raise InputError(
                f"The data frame, row {number}, column {name!r}: the label is missing. Mend or remove the row."
            )
    return column if column.dtype.kind in "fiub" else np.array([str(cell) for cell in column.tolist()])
