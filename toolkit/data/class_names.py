"""Class names in any of the familiar forms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from runtime.errors import InputError
from runtime.ordered import ordered

__all__ = ["class_names"]

_EXPECTED = "a list of names, or a dictionary of names and indices,"


def class_names(classes: Iterable[Any] | Mapping[Any, Any] | None, argument: str = "classes") -> tuple[str, ...] | None:
    """Class names from a list, {name: index} or {index: name}, in the order of the indices; `argument` is its name in
    errors.

    Raises:
        InputError: it is none of these, a name is no text or number, a dictionary's indices are not 0, 1, 2, ..., or it can be
            read both ways round, or a name comes twice.
    """
    if classes is None:
        return None
    if isinstance(classes, Mapping):
        given = _from_mapping(classes, argument)
    else:
        given = ordered(classes, argument, _EXPECTED, InputError)
    given = [name.decode(errors="replace") if isinstance(name, bytes) else name for name in given]
    for name in given:
        if not isinstance(name, str | int | float | np.integer | np.floating) or name != name:
            raise InputError(f"{argument} holds {name!r}; a name, a text or a number, is expected for each class.")
    names = tuple(map(str, given))
    if not names:
        raise InputError(f"{argument} has no name; at least one, or None for those in the data, is expected.")
    double = next((name for position, name in enumerate(names) if name in names[:position]), None)
    if double is not None:
        raise InputError(f"{argument} names {double!r} twice; a name for each class is expected.")
    return names


def _from_mapping(classes: Mapping[Any, Any], argument: str) -> list[Any]:
    """Names in the order of their indices, of {name: index} or {index: name}."""
    by_value = _in_order((None if isinstance(value, str) else value, key) for key, value in classes.items())
    by_key = _in_order((key, value) for key, value in classes.items())
    by_value = by_value if by_value and len(by_value) == len(classes) else None
    if by_value is not None and by_key is not None and by_value != by_key:
        raise InputError(
            f"{argument}={dict(classes)!r} was given; it can be read as names of indices and as indices of names. Give a list of the names "
            f"in the order of their indices."
        )
    found = by_value if by_value is not None else by_key
    if found is None:
        raise InputError(
            f"{argument}={dict(classes)!r} was given; indices 0 to {len(classes) - 1}, one for each name, are expected."
        )
    return found


def _in_order(pairs: Iterable[tuple[Any, Any]]) -> list[Any] | None:
    """The names of (index, name) pairs in the order of the indices; None where these are not 0, 1, 2, ..., each once."""
    listed = [(str(index), name) for index, name in pairs]
    names, order = dict(listed), [str(index) for index in range(len(listed))]
    return [names[index] for index in order] if sorted(names) == sorted(order) else None
