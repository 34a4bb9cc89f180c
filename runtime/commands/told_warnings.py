"""Warnings of the toolkit's own, told on standard error and kept for JSON."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from runtime.commands.printable import print_error
from runtime.errors import ToolkitWarning

__all__ = ["told_warnings"]


@contextlib.contextmanager
def told_warnings() -> Iterator[list[str]]:
    """Collect what the toolkit warns of within the block; at its end it is written to standard error, other warnings as ever."""
    import warnings

    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ToolkitWarning)
        try:
            yield found
        finally:
            found += [str(one.message) for one in caught if issubclass(one.category, ToolkitWarning)]
    for one in caught:
        if not issubclass(one.category, ToolkitWarning):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    for text in found:
        print_error(f"note: {text}")
