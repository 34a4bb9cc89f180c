"""Names of a table's columns: a missing header, an index without a name, and a label that is not the last column are told."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from runtime.errors import InputError
from runtime.preprocess import is_number

__all__ = ["check_above", "check_label_is_last", "check_named", "check_names"]

_LABELS = frozenset(("label", "labels", "class", "classes", "target", "targets", "标签", "类别"))
_UNNAMED = re.compile(r"(Unnamed: \d+(_level_\d+)?)?")


def check_names(header: Sequence[str], source: str) -> None:
    """Raise InputError for a first line of numbers other than the columns' positions, with or without a name for the label.

    Numbers that only rise or fall may be names beside that of a label: wavelengths, years.
    """
    others = header[:-1]
    if all(map(is_number, header)):
        named = list(header) in [list(map(str, range(first, first + len(header)))) for first in (0, 1)]
    else:
        named = not others or not all(map(is_number, others)) or _in_order(list(map(float, others)))
    if not named:
        raise _no_header(header, source)


def check_above(columns: Sequence[str], label: str, source: str) -> None:
    """Raise InputError for a header in which columns are named by numbers, and the label by one of its values."""
    if any(map(is_number, columns)):
        raise _no_header([*columns, label], source)


def check_named(columns: Sequence[str], source: str) -> None:
    """Raise InputError for a column of numbers without a name, such as the index that pandas and R write."""
    place = next((place for place, name in enumerate(columns) if _UNNAMED.fullmatch(name)), None)
    if place is not None:
        raise InputError(
            f"{source} has a column without a name ({columns[place]!r}), as pandas and R write for the numbers of the rows; it would be "
            f"learnt from. Save it without (index=False in pandas, row.names=FALSE in R), remove it, or give it a name."
        )


def check_label_is_last(header: Sequence[str], source: str) -> None:
    """Raise InputError where the first column is called a label, and the last one is not, which is taken where none is chosen."""
    first, last = header[0], header[-1]
    if first.casefold() in _LABELS and last.casefold() not in _LABELS:
        raise InputError(
            f"{source} has a column {first!r}, and its last one is {last!r}. Say which is the label: label={first!r}, or label={last!r}."
        )


def _in_order(numbers: Sequence[float]) -> bool:
    pairs = list(itertools.pairwise(numbers))
    return all(before < after for before, after in pairs) or all(before > after for before, after in pairs)


def _no_header(header: Sequence[str], source: str) -> InputError:
    return InputError(
        f"{source} begins with {', '.join(header[:8])}{', ...' * (len(header) > 8)}, which is a row of data; a header, a name for each "
        f"column, is expected. Add one as the first line."
    )
