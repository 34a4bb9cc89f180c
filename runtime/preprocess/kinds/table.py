"""Tables as an input: a CSV file with the card's columns, or rows of numbers."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.card.table_input import TableInput
from runtime.errors import InputError
from runtime.preprocess.kinds.preprocessor import Preprocessor, holds_arrays
from runtime.preprocess.tables import feed_table, read_columns, table_rows

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["PREPROCESSOR", "TablePreprocessor"]


class TablePreprocessor(Preprocessor[TableInput]):
    """Tables: they are parsed at once to rows as the file takes them: prepared, or raw where the file scales them by itself.

    Columns go by name wherever the data names them (the header of a file, the columns of a data frame, the keys of rows), and by
    position where it does not (arrays, lists of numbers). Further columns, such as that of a label, are left out.
    """

    def parse(self, data: Any, card: TableInput) -> tuple[Array, bool]:
        """As `Preprocessor.parse`."""
        if holds_arrays(data):
            return self.parse_arrays(data, card), False
        if isinstance(data, str | os.PathLike):
            chosen = read_columns(data, card.columns)
            return feed_table(table_rows(chosen, card.columns, str(data)), card), False
        values = _named_values(data, card)
        try:
            values = np.asarray(data if values is None else values, np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"The rows cannot be read as numbers: {error}. Give rows of {len(card.columns)} numbers."
            ) from error
        single = values.ndim == 1
        return feed_table(values[None] if single else values, card), single

    def feed(self, items: Sequence[Any], card: TableInput) -> Array:
        """As `Preprocessor.feed`: items are rows of numbers, not prepared."""
        return feed_table(np.asarray(items, np.float64), card)


def _named_values(data: Any, card: TableInput) -> Any:
    """Values in the order of the card's columns, of data that names its columns; None of data that does not.

    Raises:
        InputError: a column is missing.
    """
    if isinstance(data, Mapping):
        _check_names("The row", data, card)
        return [data[name] for name in card.columns]
    if isinstance(data, list | tuple) and data and all(isinstance(row, Mapping) for row in data):
        for number, row in enumerate(data, start=1):
            _check_names(f"Row {number}", row, card)
        return [[row[name] for name in card.columns] for row in data]
    columns = list(getattr(data, "columns", ())) if hasattr(data, "to_numpy") else []  # a data frame
    if not columns or not all(isinstance(name, str) for name in columns):
        return None
    _check_names("The data frame", columns, card)
    return data[list(card.columns)].to_numpy()


def _check_names(what: str, names: Collection[Any], card: TableInput) -> None:
    missing = [name for name in card.columns if name not in names]
    if missing:
        raise InputError(
            f"{what} lacks the columns {', '.join(missing)}; the model takes {', '.join(card.columns)}, and there are "
            f"{', '.join(map(str, names))}. Rename or add them."
        )


PREPROCESSOR = TablePreprocessor()
