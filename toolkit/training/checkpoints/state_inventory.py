"""State inventory: the names in nested plain containers, to detect missing parts.

torch silently reinitialises a missing part of an optimiser's state, which would change the resumed training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.errors import CheckpointError

__all__ = ["FIELDS", "check_fields", "with_fields"]

FIELDS = "fields"


def with_fields(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state with the inventory of its names added under `FIELDS`."""
    content = {name: value for name, value in state.items() if name != FIELDS}
    return {**content, FIELDS: sorted(_names(content))}


def check_fields(state: Mapping[str, Any]) -> None:
    """Raise CheckpointError when the inventory, or an entry of it, is missing."""
    known = state.get(FIELDS)
    if known is None:
        raise CheckpointError(
            "The checkpoint's training was written by an earlier version, or was changed by hand; it cannot be continued bit "
            "for bit. Start from its weights alone with checkpoint=."
        )
    present = set(_names({name: value for name, value in state.items() if name != FIELDS}))
    missing = sorted({str(name) for name in known} - present) if isinstance(known, list) else [FIELDS]
    if missing:
        raise CheckpointError(
            f"The checkpoint's training lacks {', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}; it was damaged or "
            f"changed by hand. Train anew, or start from its weights alone with checkpoint=."
        )


def _names(value: Any, at: str = "") -> Iterator[str]:
    """Every key of nested mappings, and the length of every list."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield f"{at}.{key}" if at else str(key)
            yield from _names(item, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list | tuple):
        yield f"{at}[{len(value)}]"
        for position, item in enumerate(value):
            if isinstance(item, Mapping | list | tuple):
                yield from _names(item, f"{at}[{position}]")
