"""CSV and TSV tables -> a data set: a header, number columns, and one or several columns with the label or the values."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from runtime.card import TableInput
from runtime.errors import InputError, suggest
from runtime.preprocess import CsvTable, prepare_table
from toolkit.data.class_names import class_names
from toolkit.data.dataset import Dataset
from toolkit.data.readers.table_names import check_above, check_label_is_last, check_named, check_names
from toolkit.data.stores import RowStore
from toolkit.tasks.registry import DEFAULT_TASK, find_task

__all__ = ["load_csv", "scaled_columns", "target_columns", "text_targets"]


def load_csv(
    path: str | os.PathLike[str],
    *,
    task: str = DEFAULT_TASK,
    labels: Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    scale: bool = True,
    card: TableInput | None = None,
) -> Dataset:
    """A CSV or TSV table -> a data set.

    Args:
        path: the file; RFC 4180, UTF-8, a header, cells separated by commas or tabs (`runtime.preprocess.read_table`).
        task: what the label columns are for: a name or a whole number for classification, values for regression, 0 and 1
            for several labels at once.
        labels: class names in the order of the outputs; None names the classes after the labels, and values after their columns.
        label: the name of the label's column; several for regression or for several labels at once. None takes the last.
        scale: bring each column to mean 0 and standard deviation 1; mean and deviation are kept in the card.
        card: columns and scaling of another part of the data, instead of those of this file; further columns are left out.

    Raises:
        InputError: the file is missing, has fewer than two columns or no rows, names a column twice, lacks the label's
            column, or a cell is not a number.
    """
    if not isinstance(scale, bool):
        raise InputError(f"scale={scale!r} was given; True or False is expected.")
    table = CsvTable(path)
    header = table.header
    check_names(header, str(path))
    if len(header) < 2:
        raise _too_little(table)
    if label is None:
        check_label_is_last(header, str(path))
    targets = target_columns(header, label, str(path))
    columns = card.columns if card is not None else tuple(name for name in header if name not in targets)
    if not columns:
        raise InputError(
            f"{path} has no columns but the labels {', '.join(targets)}; at least one of numbers is expected."
        )
    if card is None:
        check_named(columns, str(path))
    values, cells = _columns(table, columns, targets, label)
    if not cells:
        raise _too_little(table)
    card = card or scaled_columns(values, columns, scale)
    if labels is None and table.classes and targets == ("label",) and find_task(task).one_class:
        labels = table.classes
    y, names = find_task(task).read_cells(cells, targets, class_names(labels), str(path))
    return Dataset(task, card, RowStore(prepare_table(values, card)), y, names, str(path))


def _columns(
    table: CsvTable, columns: Sequence[str], targets: Sequence[str], label: Any
) -> tuple[np.ndarray, Sequence[Sequence[str]]]:
    """As `CsvTable.columns`. Raises InputError as it does, and for a first line that is a row of data."""
    try:
        values, cells = table.columns(columns, targets)
    except InputError as error:
        if label is not None:
            raise
        raise InputError(
            f"{error} The last column, {targets[0]!r}, was taken for the label; name another as label='...'."
        ) from error
    if label is None and any(row[0] == targets[0] for row in cells):
        check_above(columns, targets[0], str(table.source))
    return values, cells


def scaled_columns(values: np.ndarray, columns: Sequence[str], scale: bool) -> TableInput:
    """Numbers (N, columns) -> the card's input, with mean and deviation of each column where `scale` is asked for."""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    if scale:
        mean = tuple(values.mean(0).tolist())
        # a constant column stays at zero rather than dividing by zero
        std = tuple(np.where(np.ptp(values, axis=0) > 0, values.std(0), 1.0).tolist())
    return TableInput("input", tuple(columns), mean, std)


def target_columns(header: Sequence[str], label: str | Sequence[str] | None, source: str) -> tuple[str, ...]:
    """The columns named for the labels, the last one where none is named.

    Raises:
        InputError: the table lacks one, or names a column twice.
    """
    double = next((name for position, name in enumerate(header) if name in header[:position]), None)
    if double is not None:
        raise InputError(f"{source} has two columns named {double!r}. Rename or remove one.")
    if label is not None and not isinstance(label, str | list | tuple):
        raise InputError(
            f"label={label!r} was given; the name of a column is expected. {source} has {', '.join(header)}."
        )
    chosen = (header[-1],) if label is None else (label,) if isinstance(label, str) else tuple(map(str, label))
    for name in chosen:
        if name not in header:
            raise InputError(f"{source} has no column {name!r} for the label.{suggest(name, header)}")
    if not chosen or len(set(chosen)) != len(chosen):
        raise InputError(f"label={label!r} was given; the names of different columns, at least one, are expected.")
    return chosen


def text_targets(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    columns: Sequence[str],
    task: str,
    labels: Sequence[str] | None,
    source: str,
) -> tuple[Any, tuple[str, ...]]:
    """The label columns of a table of text -> targets and their names, as `make_targets` gives them.

    Raises:
        InputError: a cell is empty or is not what the task needs; the message names row and column.
    """
    positions = [header.index(name) for name in columns]
    cells = [[row[position] for position in positions] for row in rows]
    return find_task(task).read_cells(cells, columns, class_names(labels), source)


def _too_little(table: CsvTable) -> InputError:
    return InputError(
        f"{table.source} has {len(table.header)} columns and {len(table.rows)} rows; at least one number column, a label and a row are "
        f"expected."
    )
