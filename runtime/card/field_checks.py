"""Checks of an input card's fields: of values from a file, and of values that contradict each other."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from runtime.errors import CardError, suggest

__all__ = [
    "FLAG",
    "INDEX",
    "LENGTH",
    "MOST_ELEMENTS",
    "NUMBER",
    "NUMBERS",
    "FieldCheck",
    "check_choice",
    "check_scaling",
    "is_length",
    "is_size",
    "is_text",
    "shown",
    "tuple_of",
]

# Of one text or sequence, and pixels of one picture: a card must not make a short input fill the memory.
MOST_ELEMENTS = 2**24


class FieldCheck(NamedTuple):
    """Requirement on a field of an input card: a test, and the words before "expected"."""

    fits: Callable[[Any], bool]
    expected: str


def check_choice(kind: str, what: str, value: Any, known: tuple[str, ...]) -> None:
    """Raise CardError for a value that is not among the known ones."""
    if value not in known:
        raise CardError(f"The {kind} input's {what} is {value!r}.{suggest(str(value), known)}")


def check_scaling(kind: str, mean: tuple[float, ...], std: tuple[float, ...], count: int, what: str) -> None:
    """Raise CardError for another number of means or deviations than `count` or none, or a deviation that is not above 0."""
    for values, name in ((mean, "mean"), (std, "std")):
        if len(values) not in (0, count):
            raise CardError(f"The {kind} input's {name} has {len(values)} values; {count} are expected, {what}.")
    if any(not value > 0 for value in std):
        raise CardError(f"The {kind} input's std is {std}; numbers above 0 are expected.")


def shown(number: int) -> str:
    """Number as text for messages, bounded in length: broken files hold numbers that Python refuses to print."""
    return str(number) if abs(number) < 10**9 else "beyond 1,000,000,000"


def is_length(value: Any) -> bool:
    """Test for a whole number of at least 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def is_size(value: Any) -> bool:
    """Test for (height, width)."""
    return isinstance(value, tuple) and len(value) == 2 and all(map(is_length, value))


def is_text(value: Any) -> bool:
    """Test for a text."""
    return isinstance(value, str)


def tuple_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Test for a tuple of any length whose items all pass `fits`."""
    return lambda value: isinstance(value, tuple) and all(map(fits, value))


def _is_number(value: Any) -> bool:
    # compared rather than asked whether it is finite: a whole number too large for a float would raise there
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_index(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


LENGTH = FieldCheck(is_length, "a whole number of at least 1 is")
NUMBER = FieldCheck(_is_number, "a finite number is")
NUMBERS = FieldCheck(tuple_of(_is_number), "finite numbers are")
INDEX = FieldCheck(_is_index, "an index, or null for none, is")
FLAG = FieldCheck(_is_flag, "true or false is")
