"""Class names in any of the familiar forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runtime.errors import InputError

__all__ = ["class_names"]


def class_names(classes: Sequence[str] | Mapping[Any, Any] | None) -> tuple[str, ...] | None:
    """Class names from a list, {name: index} or {index: name}, in the order of the indices.

    Raises:
        InputError: it is none of these, a dictionary's indices are not 0, 1, 2, ..., or a name comes twice.
    """
    if classes is None:
        return None
    if isinstance(classes, str | bytes) or not hasattr(classes, "__iter__"):
        raise InputError(
            f"classes={classes!r} was given; a list of names, or a dictionary of names and indices, is expected."
        )
    names = _from_mapping(classes) if isinstance(classes, Mapping) else tuple(map(str, classes))
    if not names:
        raise InputError("classes has no name; at least one, or None for those in the data, is expected.")
    double = next((name for position, name in enumerate(names) if name in names[:position]), None)
    if double is not None:
        raise InputError(f"classes names {double!r} twice; a name for each class is expected.")
    return names


def _from_mapping(classes: Mapping[Any, Any]) -> tuple[str, ...]:
    pairs = [
        (value, key) if isinstance(key, str) and not isinstance(value, str) else (key, value)
        for key, value in classes.items()
    ]
    names = {str(index): str(name) for index, name in pairs}
    if set(names) != {str(index) for index in range(len(pairs))}:
        raise InputError(
            f"classes={dict(classes)!r} was given; indices 0 to {len(pairs) - 1}, one for each name, are expected."
        )
    return tuple(names[str(index)] for index in range(len(pairs)))
