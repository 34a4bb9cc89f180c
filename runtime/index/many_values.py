"""Many values bound to one statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

__all__ = ["marks", "parts"]

_AT_ONCE = 500
"""SQLite takes a limited number of bound values in one statement."""

_Item = TypeVar("_Item")


def parts(values: Sequence[_Item]) -> Iterator[list[_Item]]:
    """Parts of a sequence, each few enough for one statement."""
    for start in range(0, len(values), _AT_ONCE):
        yield list(values[start : start + _AT_ONCE])


def marks(values: Sequence[Any]) -> str:
    """Question marks for values, as `IN (...)` takes them."""
    return ",".join("?" * len(values))
