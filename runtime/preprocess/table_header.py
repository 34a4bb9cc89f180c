"""Headers of tables: a first line that holds no names of columns is told from one that does."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.errors import InputError
from runtime.preprocess.named_columns import is_number

__all__ = ["check_header"]


def check_header(header: Sequence[str], second: Sequence[str] | None, separator: str, source: str) -> None:
    """Check the first line of a table by itself and by the line below it.

    Args:
        header: cells of the first line, without spaces around them.
        second: cells of the first row below it; None where there is none.
        separator: of the cells.
        source: the table is, for messages.

    Raises:
        InputError: the cells are separated in another way, or the line is a row of numbers, or counts rows and columns.
    """
    line = separator.join(header)
    shown = repr(line if len(line) <= 80 else line[:80] + "...")
    if len(header) == 1 and ";" in header[0]:
        raise InputError(
            f"{source} is not separated by commas: its header is {header[0]!r}. Save it as comma-separated values."
        )
    if second is not None and _counts(header, second):
        width, classes = int(header[1]), header[2:]
        names = separator.join(
            [*(f"x{number}" for number in range(1, min(width, 4) + 1)), *["..."] * (width > 4), "label"]
        )
        raise InputError(
            f"{source} begins with {shown}, as scikit-learn's tables do: {header[0]} rows of {width} numbers, and the names of the "
            f"classes. Put a line with the columns' names in its place, such as {names!r}, and name the classes when you load it: "
            f"classes={list(classes)}."
        )
    if all(map(is_number, header)) and any("." in cell for cell in header):
        raise InputError(f"{source} has no header: its first line is {shown}. Add a line with the columns' names.")


def _counts(header: Sequence[str], second: Sequence[str]) -> bool:
    """True for ROWS,COLUMNS,CLASS,CLASS,... above rows of COLUMNS numbers and a class's position."""
    first_two, classes = header[:2], header[2:]
    return (
        len(header) > 2
        and all(cell.isdecimal() for cell in first_two)
        and len(second) == int(header[1]) + 1
        and all(map(is_number, second))
        and second[-1].strip().isdecimal()
        and int(second[-1]) < len(classes)
        and not any(map(is_number, classes))
    )
