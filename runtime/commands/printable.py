"""Print file names and texts of any kind in whatever encoding the output has."""

from __future__ import annotations

import codecs
import io
import sys

__all__ = ["print_in_any_encoding"]


def print_in_any_encoding() -> None:
    """Let standard output and standard error write what their encoding lacks in another way, instead of failing."""
    codecs.register_error("toolkit", _printable)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="toolkit")


def _printable(error: UnicodeError) -> tuple[str, int]:
    """For what an output's encoding lacks: a plain rule instead of a drawn one, escapes instead of the rest."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end].replace("─", "-")
    return lacking.encode("ascii", "backslashreplace").decode(), error.end
