"""Table pre-processing: tables of text or numbers -> scaled float32 rows."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from runtime.card.table_input import TableInput
from runtime.errors import InputError
from runtime.preprocess.named_columns import is_number, places_of_columns
from runtime.regular_file import require_file

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["feed_table", "is_number", "prepare_table", "read_columns", "read_table", "table_rows"]


def read_table(path: str | os.PathLike[str]) -> tuple[list[str], list[list[str]]]:
    """Read a CSV file (RFC 4180, UTF-8, first line the header) -> column names and rows of text.

    Cells are separated by commas; by tabs in a file named ``.tsv`` or ``.tab``, or whose header has tabs and no comma.

    Raises:
        InputError: the file is missing, is not text, has no header, or a row has another number of cells.
    """
    source = require_file(path)
    try:
        text = source.read_text(encoding="utf-8-sig")
        first = text.lstrip().partition("\n")[0]
        tabs = source.suffix.lower() in (".tsv", ".tab") or ("\t" in first and "," not in first)
        table = _numbered_rows(text, "\t" if tabs else ",")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{source} cannot be read as a CSV table: {error}. Save it as CSV in UTF-8.") from error
    if not table:
        raise InputError(f"{source} is empty; a header and at least one row are expected.")
    header = [cell.strip() for cell in table[0][1]]
    if len(header) == 1 and ";" in header[0]:
        raise InputError(
            f"{source} is not separated by commas: its header is {header[0]!r}. Save it as comma-separated values."
        )
    if all(is_number(cell) for cell in header) and any("." in cell for cell in header):
        raise InputError(
            f"{source} has no header: its first line is {','.join(header)!r}. Add a line with the columns' names."
        )
    for number, row in table[1:]:
        if len(row) != len(header):
            raise InputError(
                f"{source}, line {number}: {len(row)} cells; the header has {len(header)} columns. Mend the line."
            )
    return header, [[cell.strip() for cell in row] for _, row in table[1:]]


def read_columns(path: str | os.PathLike[str], columns: Sequence[str]) -> list[list[str]]:
    """Read these columns of a CSV file, row by row. Raises InputError as `read_table`, and for a missing column."""
    header, rows = read_table(path)
    positions = places_of_columns(header, columns, str(path), "the file has")
    if not rows:
        raise InputError(f"{path} has a header only; at least one row is expected.")
    return [[row[position] for position in positions] for row in rows]


def _numbered_rows(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """(line number, cells) of every row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]


def table_rows(rows: Sequence[Sequence[str]], columns: Sequence[str], source: str) -> npt.NDArray[np.float64]:
    """Parse rows of text -> float64 (N, len(columns)).

    Raises:
        InputError: a cell is not a finite number; the message names the row (1 is the first below the header) and column.
    """
    values = np.empty((len(rows), len(columns)), np.float64)
    for row_index, row in enumerate(rows):
        for column_index, name in enumerate(columns):
            cell = row[column_index]
            try:
                value = float(cell)
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                shown = repr(cell) if cell else "empty"
                raise InputError(
                    f"{source}, row {row_index + 1}, column {name!r}: the cell is {shown}; a number is expected. "
                    f"Mend the cell, or remove the row or the column."
                )
            values[row_index, column_index] = value
    return values


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
