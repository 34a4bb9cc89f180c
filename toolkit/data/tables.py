"""CSV tables -> a data set: a header, number columns, and the label in the last column."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from runtime.card import TableInput
from runtime.errors import InputError
from runtime.preprocess import prepare_table, read_table, table_rows
from toolkit.data.dataset import Dataset, Task, class_targets
from toolkit.data.stores import RowStore

__all__ = ["load_csv"]


def load_csv(
    path: str | os.PathLike[str],
    *,
    task: Task = "classification",
    labels: Sequence[str] | None = None,
    scale: bool = True,
) -> Dataset:
    """A CSV table -> a data set.

    Args:
        path: the file; RFC 4180, UTF-8, a header, the last column is the label (a name or a whole number) or the value.
        task: what the last column is.
        labels: class names; None names the classes after the label column.
        scale: bring each column to mean 0 and standard deviation 1; mean and deviation are kept in the card.

    Raises:
        InputError: the file is missing, has fewer than two columns or no rows, or a cell is not a number.
    """
    header, rows = read_table(path)
    if len(header) < 2 or not rows:
        raise InputError(
            f"{path} has {len(header)} columns and {len(rows)} rows; at least one number column, a label and a row are expected."
        )
    columns, target = tuple(header[:-1]), header[-1]
    values = table_rows(rows, columns, str(path))
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    if scale:
        mean = tuple(values.mean(0).tolist())
        # a constant column stays at zero rather than dividing by zero
        std = tuple(np.where(np.ptp(values, axis=0) > 0, values.std(0), 1.0).tolist())
    card = TableInput("input", columns, mean, std)
    inputs = RowStore(prepare_table(values, card))
    if task == "regression":
        if labels is not None and len(labels) != 1:
            raise InputError(f"{len(labels)} names were given; {path} has one target, its last column {target!r}.")
        # the last column is read with the header's own name, so that an error names it
        targets = table_rows([row[-1:] for row in rows], (target,), str(path)).astype(np.float32)
        return Dataset(task, card, inputs, targets, tuple(map(str, labels or (target,))), str(path))
    texts = [row[-1] for row in rows]
    empty = next((number for number, text in enumerate(texts, start=1) if not text), None)
    if empty is not None:
        raise InputError(f"{path}, row {empty}, column {target!r}: the label is empty. Mend or remove the row.")
    indices, names = class_targets(_whole_numbers(texts), labels)
    return Dataset(task, card, inputs, indices, names, str(path))


def _whole_numbers(texts: list[str]) -> list[str]:
    """'0.0' as saved by many programs means the class 0; any other text is a name."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return texts
    whole = all(number.is_integer() for number in numbers)
    return [str(int(number)) for number in numbers] if whole else texts
