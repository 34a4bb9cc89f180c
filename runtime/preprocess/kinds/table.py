"""Tables as an input: a CSV file with the card's columns, or rows of numbers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.card.table_input import TableInput
from runtime.errors import InputError
from runtime.preprocess.csv_table import CsvTable
from runtime.preprocess.kinds.preprocessor import Preprocessor, holds_arrays
from runtime.preprocess.named_columns import named_rows
from runtime.preprocess.tables import feed_table

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
            numbers, _ = CsvTable(data).columns(card.columns)
            if not len(numbers):
                raise InputError(f"{data} has a header only; at least one row is expected.")
            return feed_table(numbers, card), False
        named = named_rows(data, card.columns)
        try:
            values = np.asarray(data if named is None else named[0], np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"The rows cannot be read as numbers: {error}. Give rows of {len(card.columns)} numbers."
            ) from error
        single = values.ndim == 1 if named is None else named[1]
        return feed_table(values[None] if single else values, card), single

    def feed(self, items: Sequence[Any], card: TableInput) -> Array:
        """As `Preprocessor.feed`: items are rows of numbers, not prepared."""
        return feed_table(np.asarray(items, np.float64), card)


PREPROCESSOR = TablePreprocessor()
