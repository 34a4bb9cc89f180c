"""Table pre-processing: rows of numbers -> scaled float32 rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from runtime.card.table_input import TableInput
from runtime.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["feed_table", "prepare_table"]


def prepare_table(values: npt.ArrayLike, card: TableInput) -> npt.NDArray[np.float32]:
    """Scale numbers (N, columns) -> float32 (N, columns): (value - mean) / std, computed in float64.

    Raises:
        InputError: another number of columns, or a value that is not a finite number.
    """
    table = _numbers(values, card)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = table - np.array(card.mean) if card.mean else table
        scaled = scaled / np.array(card.std) if card.std else scaled
        result = scaled.astype(np.float32)
    return _finite(result, table, card)


def feed_table(values: npt.ArrayLike, card: TableInput) -> npt.NDArray[Any]:
    """Rows as the file takes them: as `prepare_table` where they are prepared outside of it, else the numbers themselves.

    Raises:
        InputError: as `prepare_table`.
    """
    if not card.prepared_in_graph:
        return prepare_table(values, card)
    table = _numbers(values, card)
    with np.errstate(over="ignore"):
        result = table.astype(card.raw_dtype)
    return _finite(result, table, card)


def _numbers(values: npt.ArrayLike, card: TableInput) -> npt.NDArray[np.float64]:
    """Rows of numbers -> float64 (N, columns). Raises InputError for another kind or shape."""
    try:
        table = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The table cannot be read as numbers: {error}. Give rows of {len(card.columns)} numbers."
        ) from error
    if table.ndim != 2 or table.shape[1] != len(card.columns):
        raise InputError(
            f"The table has the shape {table.shape}; (N, {len(card.columns)}) is expected, with the columns "
            f"{', '.join(card.columns)}."
        )
    return table


Rows = TypeVar("Rows", bound="npt.NDArray[Any]")


def _finite(result: Rows, table: npt.NDArray[np.float64], card: TableInput) -> Rows:
    """`result`, where all of it is finite. Raises InputError with the number of the table that is not."""
    if not np.isfinite(result).all():
        row, column = np.argwhere(~np.isfinite(result))[0]
        raise InputError(
            f"The table holds {table[row, column]} in row {row + 1}, column {card.columns[column]!r}; a number is expected, "
            f"and once scaled it must be one of float32. Mend the value, or remove the row."
        )
    return result
