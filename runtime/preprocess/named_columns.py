"""Columns by their names: which of the columns in a user's data are those that a model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from runtime.errors import InputError, suggest

__all__ = ["is_number", "named_rows", "places_of_columns"]


def is_number(cell: str) -> bool:
    """Test that a cell can be read as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def places_of_columns(names: Sequence[Any], columns: Sequence[str], what: str, has: str = "there are") -> list[int]:
    """Position of each of a model's columns among the names in the data; spaces around a name do not count, case does.

    Args:
        names: in the data; there may be further ones.
        columns: of the model.
        what, has: the data is, for messages: "a.csv", "the file has".

    Raises:
        InputError: a column is missing or comes twice, or the names are numbers, as in a table without a header.
    """
    found = [_plain(name) for name in names]
    wanted = [_plain(name) for name in columns]
    missing = [name for name in wanted if name not in found]
    if missing and any(map(is_number, found)) and not any(map(is_number, wanted)):
        raise InputError(
            f"{what} has no header: its columns are named {', '.join(found[:8])}{', ...' * (len(found) > 8)}. Name the columns in a first "
            f"line, such as {','.join(wanted)}."
        )
    if missing:
        hint = next((text for text in (suggest(name, found) for name in missing) if "Did you mean" in text), "")
        raise InputError(
            f"{what} lacks the columns {', '.join(missing)}; the model takes {', '.join(columns)}, and {has} "
            f"{', '.join(found) or 'none'}. Rename or add them.{hint}"
        )
    twice = next((name for name in wanted if found.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"{what} has the column {twice!r} twice, so which one is meant is not told. Rename one of them."
        )
    return [found.index(name) for name in wanted]


def named_rows(data: Any, columns: Sequence[str]) -> tuple[Any, bool] | None:
    """Rows (N, columns) of data that names its columns, in the order of a model's; None of data that does not.

    Names have mappings (one row; or a column a name), lists of rows as mappings or named tuples, data frames, a row of one as a
    series, and structured arrays. Names that are the positions 0, 1, 2, ... are none.

    Returns:
        The values of the columns, row by row; True for a single row.

    Raises:
        InputError: as `places_of_columns`, or columns differ in length.
    """
    if hasattr(data, "_fields") and hasattr(data, "_asdict"):
        data = data._asdict()
    if isinstance(data, Mapping):
        return _of_mapping(data, columns)
    if isinstance(data, list | tuple) and data:
        rows = [row._asdict() if hasattr(row, "_fields") else row for row in data]
        if all(isinstance(row, Mapping) for row in rows):
            return [_of_row(row, columns, f"Row {number}") for number, row in enumerate(rows, start=1)], False
        return None
    if isinstance(data, np.ndarray):
        if data.dtype.names is None:
            return None
        table = np.atleast_1d(data)
        chosen = [data.dtype.names[place] for place in places_of_columns(data.dtype.names, columns, "The array")]
        listed = [list(row) for row in zip(*(table[name].tolist() for name in chosen), strict=True)]
        return (listed[0], True) if data.ndim == 0 else (listed, False)
    if hasattr(data, "column_names") or (hasattr(data, "columns") and hasattr(data, "to_numpy")):
        return _of_frame(data, columns)
    if hasattr(data, "index") and hasattr(data, "to_numpy") and not callable(data.index):  # a row of a data frame
        names = list(data.index)
        if _are_positions(names):
            return None
        values = data.to_numpy()
        return [values[place] for place in places_of_columns(names, columns, "The row")], True
    return None


def _of_frame(data: Any, columns: Sequence[str]) -> tuple[Any, bool] | None:
    """Rows of a frame of pandas, polars or pyarrow, each column by its position, since names may come twice."""
    names = list(data.column_names if hasattr(data, "column_names") else data.columns)
    if _are_positions(names):
        return None
    places = places_of_columns(names, columns, "The data frame")
    if hasattr(data, "iloc"):
        return data.iloc[:, places].to_numpy(), False
    return np.stack([np.asarray(data[names[place]]) for place in places], axis=1), False


def _of_mapping(data: Mapping[Any, Any], columns: Sequence[str]) -> tuple[Any, bool]:
    chosen = _of_row(data, columns, "The row")
    lengths = [len(value) if _is_column(value) else None for value in chosen]
    if all(length is None for length in lengths):
        return chosen, True
    if len(set(lengths)) != 1:
        listed = ", ".join(
            f"{name} {'one' if length is None else length}" for name, length in zip(columns, lengths, strict=True)
        )
        raise InputError(f"The columns hold different numbers of values: {listed}. As many of each are expected.")
    return [list(row) for row in zip(*chosen, strict=True)], False


def _of_row(row: Mapping[Any, Any], columns: Sequence[str], what: str) -> list[Any]:
    """Values of one row in the order of the columns."""
    names = list(row)
    if _are_positions(names) and len(names) == len(columns) and not set(columns) & set(map(str, names)):
        return list(row.values())
    return [row[names[place]] for place in places_of_columns(names, columns, what)]


def _is_column(value: Any) -> bool:
    return not isinstance(value, str | bytes) and hasattr(value, "__len__")


def _are_positions(names: Sequence[Any]) -> bool:
    """True for 0, 1, 2, ..., which a library gives to columns without names."""
    return all(isinstance(name, int) for name in names) and list(names) == list(range(len(names)))


def _plain(name: Any) -> str:
    """A name as text, without the mark of UTF-8 and spaces around it."""
    return str(name).strip("\ufeff \t\r\n\v\f\u00a0")
