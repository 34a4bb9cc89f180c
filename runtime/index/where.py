"""Filters on metadata: equality, membership and ranges, and nothing else.

    {"folder": "7"}                      the field equals the value
    {"folder": ["7", "9"]}               the field equals one of the values
    {"year": {">=": 2000, "<": 2010}}    the field lies in the range

Several fields must all match. Text, numbers, true/false and null are different kinds and never equal one another; numbers
are compared as numbers and text by code point. Only fields at the top level of the metadata can be filtered on; lists
and objects inside it are kept, but match nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from runtime.errors import VectorIndexError

__all__ = ["Condition", "Field", "fields_of", "parse"]

Field: TypeAlias = tuple[str, str, str | int | float]
"""(name, kind, value) of one metadata field, as it is stored beside the row."""

_OPERATORS = ("<", "<=", ">", ">=")

_MEANT = {"=<": "<=", "=>": ">=", "lt": "<", "lte": "<=", "le": "<=", "gt": ">", "gte": ">=", "ge": ">="}
"""What others write for these, as `$gte` or `__gte`; too short for difflib to tell apart."""

_VALUES_AT_ONCE = 500
"""SQLite takes a limited number of bound values in one statement."""


class Condition(NamedTuple):
    """Condition on the field `name`: the places found by any of the `queries` over the table `fields`."""

    name: str
    queries: list[tuple[str, list[Any]]]


def fields_of(metadata: Mapping[str, Any]) -> list[Field]:
    """Filterable fields of one vector's metadata."""
    found = []
    for name, value in metadata.items():
        kind = _kind(value)
        if kind:
            found.append((name, kind, _stored(value)))
    return found


def parse(where: Mapping[str, Any] | None) -> list[Condition]:
    """Parse a filter into conditions that must all hold.

    Every name and value is bound to the statement, never written into it.

    Raises:
        VectorIndexError: the filter is not a mapping of field names, has an unknown operator or a value that cannot be
            compared.
    """
    if where is None:
        return []
    if not isinstance(where, Mapping):
        raise VectorIndexError(
            f"where is of type {type(where).__name__}; a mapping from field name to value is expected, "
            "such as {'folder': '7'}."
        )
    return [Condition(name, list(_queries(name, wanted))) for name, wanted in where.items()]


def _queries(name: object, wanted: Any) -> Iterator[tuple[str, list[Any]]]:
    if not isinstance(name, str) or not _encodes(name):
        raise VectorIndexError(f"where has the field name {name!r}; names are text, such as 'folder'.")
    if isinstance(wanted, Mapping):
        yield _range_query(name, wanted)
        return
    values = list(wanted) if isinstance(wanted, list | tuple | set | frozenset) else [wanted]
    by_kind: dict[str, list[Any]] = {}
    for value in values:
        by_kind.setdefault(_checked_kind(name, value), []).append(_stored(value))
    for kind, stored in by_kind.items():
        for start in range(0, len(stored), _VALUES_AT_ONCE):
            part = stored[start : start + _VALUES_AT_ONCE]
            marks = ",".join("?" * len(part))
            yield f"SELECT place FROM fields WHERE name = ? AND kind = ? AND value IN ({marks})", [name, kind, *part]  # noqa: S608


def _range_query(name: str, wanted: Mapping[Any, Any]) -> tuple[str, list[Any]]:
    if not wanted:
        raise VectorIndexError(f"where asks nothing of the field {name!r}. Give a range such as {{'>=': 2000}}.")
    kinds = set()
    for operator, value in wanted.items():
        if operator not in _OPERATORS:
            meant = _MEANT.get(str(operator).lower().strip("$_ "))
            hint = f"Did you mean {meant!r}?" if meant else f"Known comparisons: {', '.join(_OPERATORS)}."
            raise VectorIndexError(
                f"where[{name!r}] uses {operator!r}, which is not a comparison. {hint} "
                "For equality give the value itself, and for membership a list of values."
            )
        kinds.add(_checked_kind(name, value))
    if len(kinds) > 1 or not kinds <= {"number", "text"}:
        raise VectorIndexError(
            f"where[{name!r}] is {dict(wanted)!r}; the ends of a range are numbers, or text, and both of one kind."
        )
    tests = " AND ".join(f"value {operator} ?" for operator in wanted)  # each operator is one of the four above
    values = [_stored(value) for value in wanted.values()]
    return f"SELECT place FROM fields WHERE name = ? AND kind = ? AND {tests}", [name, kinds.pop(), *values]  # noqa: S608


def _checked_kind(name: str, value: Any) -> str:
    kind = _kind(value)
    if kind is None or (kind == "text" and not _encodes(_stored(value))):
        raise VectorIndexError(
            f"where[{name!r}] has the value {value!r}, which cannot be compared; text, a finite number of at most 64 bits, "
            "true, false or null is expected."
        )
    return kind


def _kind(value: Any) -> str | None:
    """Kind of a value: "text", "number", "bool", "null"; None where it cannot be filtered on."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int):
        return "number" if -(2**63) <= value < 2**63 else None
    return "number" if isinstance(value, float) and math.isfinite(value) else None


def _stored(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return 0 if value is None else int(value) if isinstance(value, bool) else value


def _encodes(text: str) -> bool:
    """Test that a text can be encoded as UTF-8; a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
