"""An option that is JSON, such as --augment."""

from __future__ import annotations

import json
from typing import Any

from runtime.errors import InputError

__all__ = ["parse_json"]


def parse_json(name: str, text: str | None) -> Any:
    """The value of an option, None where it was not given. Raises InputError, which names the option."""
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} {text!r} is not JSON: {error}.") from error
