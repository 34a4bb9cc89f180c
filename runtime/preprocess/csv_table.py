"""CSV and TSV files: header, rows of text, and columns of numbers."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import InputError
from runtime.preprocess.named_columns import is_number, places_of_columns
from runtime.preprocess.table_header import check_header, read_counts
from runtime.regular_file import require_file

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["CsvTable", "read_columns", "read_table", "table_rows"]

_PACKED = (".gz", ".bz2", ".xz", ".lzma")
"""NumPy unpacks files of these suffixes; here a table is what lies in the file."""


_INDEX = "Give each column a name; a first one without, which numbers the rows, is left out by index=False in pandas and row.names=FALSE in R."


class CsvTable:
    """A CSV file (RFC 4180, UTF-8, first line the header).

    Cells are separated by commas; by tabs in a file named ``.tsv`` or ``.tab``, or whose header has tabs and no comma. Blank rows do
    not count, nor do spaces around a cell.

    Attributes:
        source: the file's path.
        header: names of the columns.
        classes: names of the classes, of a first line that counts what lies below it (`read_counts`); else empty.

    Raises:
        InputError: the file is missing, is not text, or has no header.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.source = require_file(path)
        try:
            self._content = self.source.read_bytes()
            first = next((line for line in self._text() if line.strip()), "").lstrip()
            tabs = self.source.suffix.lower() in (".tsv", ".tab") or ("\t" in first and "," not in first)
            self._separator = "\t" if tabs else ","
            reader = self._reader()
            header = next((row for row in reader if any(map(str.strip, row))), None)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise self._unreadable(error) from error
        if header is None:
            raise InputError(f"{self.source} is empty; a header and at least one row are expected.")
        self._written = [cell.strip() for cell in header]
        try:
            second = next((row for row in reader if any(map(str.strip, row))), None)
        except (UnicodeDecodeError, csv.Error):
            second = None  # whoever reads the rows says so
        counted = read_counts(self._written, second)
        self.header: list[str]
        self.classes: tuple[str, ...]
        self.header, self.classes = (self._written, ()) if counted is None else counted
        if counted is None:
            check_header(self.header, self._separator, str(self.source))

    @cached_property
    def rows(self) -> list[list[str]]:
        """The cells below the header, row by row.

        Raises:
            InputError: the file is not text, or a row has another number of cells than the header.
        """
        reader = self._reader()
        try:
            rows = [(reader.line_num, row) for row in reader if any(map(str.strip, row))][1:]
        except (UnicodeDecodeError, csv.Error) as error:
            raise self._unreadable(error) from error
        for line, row in rows:
            if len(row) != len(self.header):
                raise InputError(
                    f"{self.source}, line {line}: {len(row)} cells; the header has {len(self.header)} columns. "
                    + (_INDEX if line == rows[0][0] and len(row) == len(self.header) + 1 else "Mend the line.")
                )
        return [list(map(str.strip, row)) for _, row in rows]

    def columns(
        self, numbers: Sequence[str], texts: Sequence[str] = ()
    ) -> tuple[npt.NDArray[np.float64], list[tuple[str, ...]]]:
        """Columns of numbers, float64 (N, len(numbers)), and columns of text, N rows of len(texts) cells.

        NumPy's parser reads a file without peculiarities; every other, and one with a fault, is read row by row. The numbers are the
        same: both round decimals correctly.

        Raises:
            InputError: as `rows` and `table_rows`; a column is missing or comes twice.
        """
        what = str(self.source)
        # a model of version 0.3 may know the columns by what a first line that counts them says
        header = self._written if set(numbers) <= set(self._written) else self.header
        places = places_of_columns(header, numbers, what, "the file has")
        text_places = places_of_columns(self.header, texts, what, "the file has")
        found = self._parsed(places, text_places)
        if found is not None:
            return found
        cells = [[row[place] for place in places] for row in self.rows]
        return table_rows(cells, numbers, what), [tuple(row[place] for place in text_places) for row in self.rows]

    def _parsed(
        self, places: Sequence[int], text_places: Sequence[int]
    ) -> tuple[npt.NDArray[np.float64], list[tuple[str, ...]]] | None:
        """As `columns`, by NumPy's parser; None for a file that it would not read as `rows` does."""
        data = self._plain_lines()
        if data is None or not places or set(places) & set(text_places):
            return None
        codes = [_Codes() for _ in text_places]
        converters: dict[int | str, Any] = {place: _nothing for place in range(len(self.header)) if place not in places}
        converters |= {place: names.__getitem__ for place, names in zip(text_places, codes, strict=True)}
        try:
            table = np.loadtxt(
                data,
                delimiter=self._separator,
                comments=None,
                converters=converters,
                skiprows=1,
                ndmin=2,
                encoding="utf-8-sig",
            )
        except (ValueError, OSError):
            return None
        if table.shape[1] != len(self.header):
            return None
        values = table if list(places) == list(range(table.shape[1])) else np.ascontiguousarray(table[:, places])
        if not np.isfinite(values).all():
            return None
        columns = []
        for names, place in zip(codes, text_places, strict=True):
            texts = [text.strip() for text in names]
            columns.append([texts[code] for code in table[:, place].astype(np.int64).tolist()])
        return values, list(zip(*columns, strict=True)) if columns else [()] * len(table)

    def _plain_lines(self) -> str | list[str] | None:
        """What NumPy reads a table from whose lines are its rows: the path, or the lines with their quotes taken off; else None."""
        content = self._content
        end = content.find(b"\n")
        ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n"))
        longest = np.diff(ends, prepend=-1, append=len(content)).max()
        old_ends = b"\r" in content and content.count(b"\r") != content.count(b"\r\n")
        begins_blank = not content[
            end : end + 4096
        ].strip()  # at its end a file may, and NumPy warns of one without rows
        if end < 0 or begins_blank or old_ends or b"\0" in content or longest > csv.field_size_limit():
            return None
        try:
            first = next(csv.reader([next(self._text())], delimiter=self._separator, strict=True))
        except (csv.Error, UnicodeDecodeError):
            return None
        if [cell.strip() for cell in first] != self._written:
            return None
        if content.find(b'"', end) < 0 and self.source.suffix.lower() not in _PACKED:
            return os.path.abspath(self.source)
        between = f"{self._separator}\n"
        try:
            head, _, body = self._text().read().partition("\n")
        except UnicodeDecodeError:
            return None
        body = re.sub(rf'(?<![^{between}])"([^"{between}]*)"(?![^{between}])', r"\1", body)
        return None if '"' in body else [head, *body.split("\n")]

    def _text(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(io.BytesIO(self._content), encoding="utf-8-sig")

    def _reader(self) -> Any:  # csv's type has no public name before Python 3.13
        return csv.reader(self._text(), delimiter=self._separator, strict=True)

    def _unreadable(self, error: Exception) -> InputError:
        return InputError(f"{self.source} cannot be read as a CSV table: {error}. Save it as CSV in UTF-8.")


class _Codes(dict[str, int]):
    """Different texts -> their positions, by first sight."""

    def __missing__(self, text: str) -> int:
        self[text] = len(self)
        return self[text]


def _nothing(cell: str) -> float:
    return 0.0


def read_table(path: str | os.PathLike[str]) -> tuple[list[str], list[list[str]]]:
    """Read a CSV file -> column names and rows of text. Raises InputError as `CsvTable` and its `rows`."""
    table = CsvTable(path)
    return table.header, table.rows


def read_columns(path: str | os.PathLike[str], columns: Sequence[str]) -> list[list[str]]:
    """Read these columns of a CSV file, row by row. Raises InputError as `read_table`, and for a missing column."""
    table = CsvTable(path)
    positions = places_of_columns(table.header, columns, str(path), "the file has")
    if not table.rows:
        raise InputError(f"{path} has a header only; at least one row is expected.")
    return [[row[position] for position in positions] for row in table.rows]


def table_rows(rows: Sequence[Sequence[str]], columns: Sequence[str], source: str) -> npt.NDArray[np.float64]:
    """Parse rows of text -> float64 (N, len(columns)).

    Raises:
        InputError: a cell is not a finite number; the message names the row (1 is the first below the header) and column.
    """
    width = len(columns)
    try:
        flat = np.fromiter((float(cell) for row in rows for cell in row[:width]), np.float64, len(rows) * width)
        if np.isfinite(flat).all():
            return flat.reshape(len(rows), width)
    except ValueError:
        pass
    for number, row in enumerate(rows, start=1):
        for name, cell in zip(columns, row, strict=False):
            if not is_number(cell) or not math.isfinite(float(cell)):
                raise _no_number(rows, number, name, cell, list(columns).index(name), source)
    raise InputError(f"{source} has rows of fewer than {width} cells. Mend them.")


def _no_number(rows: Sequence[Sequence[str]], number: int, name: str, cell: str, place: int, source: str) -> InputError:
    where = f"{source}, row {number}, column {name!r}: the cell is {repr(cell) if cell else 'empty'}; a number is expected. "
    kinds = list(dict.fromkeys(row[place] for row in rows if row[place]))
    if kinds and not any(map(is_number, kinds)):
        return InputError(
            f"{where}The column holds texts ({', '.join(map(repr, kinds[:3]))}{', ...' * (len(kinds) > 3)}). Turn them into numbers, such "
            f"as a column of 0 and 1 for each, or remove the column."
        )
    return InputError(f"{where}Mend the cell, or remove the row or the column.")
