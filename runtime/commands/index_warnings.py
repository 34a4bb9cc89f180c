"""Warnings of an index, told on standard error and kept for JSON."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from runtime.commands.printable import print_error

__all__ = ["told_warnings"]


@contextlib.contextmanager
def told_warnings() -> Iterator[list[str]]:
    """Collect what an index warns of within the block; at its end it is written to standard error, other warnings as ever."""
    import warnings

    from runtime.index import VectorIndexWarning

    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", VectorIndexWarning)
        try:
            yield found
        finally:
            found += [str(one.message) for one in caught if issubclass(one.category, VectorIndexWarning)]
    for one in caught:
        if not issubclass(one.category, VectorIndexWarning):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    for text in found:
        print_error(f"note: {text}")
