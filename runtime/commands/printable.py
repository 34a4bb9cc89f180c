"""Printing of arbitrary file names and texts in any output encoding."""

from __future__ import annotations

import codecs
import io
import sys

__all__ = ["print_in_any_encoding"]


def print_in_any_encoding() -> None:
    """Make standard output and standard error replace characters that their encoding lacks, instead of failing."""
    codecs.register_error("toolkit", _printable)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="toolkit")


def _printable(error: UnicodeError) -> tuple[str, int]:
    """Encoding error handler: a plain rule for a drawn one, escapes for all other characters."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end].replace("─", "-")
    return lacking.encode("ascii", "backslashreplace").decode(), error.end
