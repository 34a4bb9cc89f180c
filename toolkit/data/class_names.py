"""Class names in any of the familiar forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runtime.errors import InputError

__all__ = ["class_names"]


def class_names(classes: Sequence[str] | Mapping[Any, Any] | None) -> tuple[str, ...] | None:
    """Class names from a list, {name: index} or {index: name}, in the order of the indices.

    Raises:
        InputError: a dictionary's indices are not 0, 1, 2, ...
    """
    if classes is None:
        return None
    if not isinstance(classes, Mapping):
        return tuple(map(str, classes))
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
