"""Arguments that are a sequence: their entries in order, or a refusal of what only looks like one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MappingView, Set
from typing import Any

from runtime.errors import SpecError, ToolkitError

__all__ = ["ordered"]


def ordered(
    value: Any, name: str, expected: str, error: type[ToolkitError] = SpecError, example: str = ""
) -> list[Any]:
    """Entries of a list, tuple, array or tensor (n,), generator or other iterable, in its order.

    A text, a mapping, a set and a frozen set are none: of a text the entries would be its letters, of a mapping its keys, and a set
    has no order.

    Args:
        value: what was given.
        name: of the argument, for messages.
        expected: what is expected, in words: "a list of names".
        error: the class of the error.
        example: of what is expected.

    Raises:
        error: it is something else.
    """
    said = f"{name}={value!r:.200} was given; {expected} is expected" + (f", such as {example}" if example else "")
    if isinstance(value, Set) and not isinstance(value, MappingView):
        raise error(f"{said}. A set has no order: give a list.")
    if isinstance(value, str | bytes | Mapping) or (not isinstance(value, Iterable) and not hasattr(value, "tolist")):
        raise error(f"{said}.")
    plain = value.tolist() if hasattr(value, "tolist") else list(value)
    if not isinstance(plain, list):
        raise error(f"{said}.")
    return plain
