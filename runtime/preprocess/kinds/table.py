"""Tables as an input: a CSV file with the card's columns, or rows of numbers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.card.table_input import TableInput
from runtime.errors import InputError
from runtime.preprocess.kinds.preprocessor import Preprocessor
from runtime.preprocess.tables import prepare_table, read_columns, read_table, table_rows

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["PREPROCESSOR", "TablePreprocessor"]


class TablePreprocessor(Preprocessor[TableInput]):
    """Tables: they are parsed to prepared rows at once."""

    def parse(self, data: Any, card: TableInput) -> tuple[Array, bool]:
        """As `Preprocessor.parse`."""
        if isinstance(data, str | os.PathLike):
            chosen = read_columns(data, card.columns)
            return prepare_table(table_rows(chosen, card.columns, str(data)), card), False
        try:
            values = np.asarray(data, np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"The rows cannot be read as numbers: {error}. Give rows of {len(card.columns)} numbers."
            ) from error
        single = values.ndim == 1
        return prepare_table(values[None] if single else values, card), single

    def by_position(self, path: str | os.PathLike[str], card: TableInput, labelled: bool) -> Array:
        """Rows of a CSV table, columns by position as in training: all of them, or all but the last when it is a label.

        Raises:
            InputError: another number of columns, or as `table_rows`.
        """
        header, rows = read_table(path)
        width = len(header) - int(labelled)
        if width != len(card.columns):
            hint = " Say label=True when the last column is a label." if width == len(card.columns) + 1 else ""
            raise InputError(
                f"{path} has {width} number columns; the network takes {len(card.columns)}: {', '.join(card.columns)}.{hint}"
            )
        return prepare_table(table_rows([row[:width] for row in rows], header[:width], str(path)), card)


PREPROCESSOR = TablePreprocessor()
