"""Parsing of option texts: lists of names, lengths, JSON objects."""

from __future__ import annotations

import json
from typing import Any

from runtime.errors import InputError

__all__ = ["json_object", "lengths", "names"]


def names(text: str) -> tuple[str, ...]:
    """`a, b` -> ("a", "b")."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def lengths(flag: str, text: str | None) -> tuple[int, ...] | None:
    """`3,224,224` or `224x224` -> whole numbers. Raises InputError, which names the flag."""
    if text is None:
        return None
    parts = [part.strip() for part in text.replace("x", ",").split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"{flag} {text!r} was given; lengths are expected, such as 3,224,224.")
    return tuple(map(int, parts))


def json_object(flag: str, text: str | None) -> dict[str, Any] | None:
    """A JSON object. Raises InputError, which names the flag."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{flag} {text!r} is not JSON: {error}. Give an object, such as '{{\"num_classes\": 10}}'."
        ) from error
    if not isinstance(value, dict):
        raise InputError(f"{flag} {text!r} is no JSON object. Give one, such as '{{\"num_classes\": 10}}'.")
    return value
