"""Content of a model, in a file or in memory."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator
from pathlib import Path

__all__ = ["opened_content"]


@contextlib.contextmanager
def opened_content(source: Path | bytes) -> Iterator[mmap.mmap | bytes]:
    """The bytes of a model, of a file without reading it whole. Raises OSError, and ValueError for an empty file."""
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content
