"""Headers of tables: a first line that holds no names of columns is told from one that does."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.errors import InputError
from runtime.preprocess.named_columns import is_number

__all__ = ["check_header", "read_counts"]


def check_header(header: Sequence[str], separator: str, source: str) -> None:
    """Check the first line of a table.

    Args:
        header: cells of the first line, without spaces around them.
        separator: of the cells.
        source: the table is, for messages.

    Raises:
        InputError: the cells are separated in another way, or the line is a row of numbers.
    """
    line = separator.join(header)
    shown = repr(line if len(line) <= 80 else line[:80] + "...")
    if len(header) == 1 and ";" in header[0]:
        raise InputError(
            f"{source} is not separated by commas: its header is {header[0]!r}. Save it as comma-separated values."
        )
    if all(map(is_number, header)) and any("." in cell for cell in header):
        raise InputError(f"{source} has no header: its first line is {shown}. Add a line with the columns' names.")


def read_counts(header: Sequence[str], second: Sequence[str] | None) -> tuple[list[str], tuple[str, ...]] | None:
    """Names of the columns, and of the classes, of a table whose first line counts what lies below it, as scikit-learn's and
    TensorFlow's do (``30,4,setosa,versicolor,virginica``); None of another.

    Args:
        header: cells of the first line: rows, columns of numbers, and the names of the classes.
        second: cells of the first row below it: the numbers, and the class's position; None where there is none.

    Returns:
        (["x1", ..., "label"], the classes).
    """
    first_two, classes = header[:2], header[2:]
    counts = (
        second is not None
        and len(header) > 2
        and all(cell.isdecimal() for cell in first_two)
        and len(second) == int(header[1]) + 1
        and all(map(is_number, second))
        and second[-1].strip().isdecimal()
        and int(second[-1]) < len(classes)
        and not any(map(is_number, classes))
    )
    if not counts:
        return None
    return [*(f"x{number}" for number in range(1, int(header[1]) + 1)), "label"], tuple(classes)
