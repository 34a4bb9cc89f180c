"""JSON text: the one writer of everything that the toolkit prints or keeps as JSON, always valid (RFC 8259)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from runtime.console import UNSAFE

__all__ = ["NOT_FINITE", "json_text"]

NOT_FINITE = "not_finite"
"""Entry of a document that says of each null why: the path of a number -> "NaN", "Infinity" or "-Infinity"."""


def json_text(value: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """Plain containers as JSON. A number that is NaN or infinite does not exist in JSON: it becomes null.

    A document that is a mapping tells the reason of each null under `NOT_FINITE`, by the number's path, such as
    ``{"epochs[3].loss": "NaN"}``; without such numbers there is no such entry. Characters that a terminal takes for commands are
    written as escapes.

    Args:
        value: mappings, lists, texts, numbers, truth values and None.
        indent: spaces of each level; None writes one line.
        ascii_only: write all but ASCII as escapes.
    """
    try:
        text = json.dumps(value, ensure_ascii=ascii_only, allow_nan=False, indent=indent)
    except ValueError:
        reasons: dict[str, str] = {}
        finite = _finite(value, "", reasons)
        if isinstance(finite, dict):
            finite[NOT_FINITE] = reasons
        text = json.dumps(finite, ensure_ascii=ascii_only, allow_nan=False, indent=indent)
    return text if text.isprintable() else UNSAFE.sub(_escaped, text)


def _finite(value: Any, path: str, reasons: dict[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(item, f"{path}.{name}" if path else str(name), reasons) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item, f"{path}[{position}]", reasons) for position, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        reasons[path] = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return None
    return value


def _escaped(match: Any) -> str:
    # what is left unescaped within JSON's own text lies inside of strings, or is a line's end between entries
    return match[0] if match[0] in "\n\t" else json.dumps(match[0])[1:-1]
