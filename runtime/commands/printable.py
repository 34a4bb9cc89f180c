"""Printing of what commands say, in any output encoding: the one place where text goes to the terminal.

File names, labels, and the names and texts of a file are a stranger's: what a terminal would take for a command is written as an
escape that can be read.
"""

from __future__ import annotations

import codecs
import io
import sys
from typing import Any

import click

from runtime.console import one_line, without_controls, written_lines

__all__ = ["print_error", "print_in_any_encoding", "print_json", "print_lines", "print_text", "print_told"]


def print_text(text: str, *, newline: bool = True) -> None:
    """Print text on standard output."""
    click.echo(without_controls(text), nl=newline)


def print_lines(*lines: str) -> None:
    """Print lines on standard output, each of which stays one line."""
    click.echo(written_lines(lines))


def print_error(line: str, below: str = "") -> None:
    """Print one line on standard error, and lines below it."""
    click.echo(one_line(line.replace("\n", " ")), err=True)
    if below:
        click.echo(without_controls(below), err=True)


def print_json(value: Any) -> None:
    """Print a JSON document on standard output, in escapes where its encoding lacks characters. See `runtime.json_text`."""
    from runtime.json_text import json_text

    text = json_text(value)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json_text(value, ascii_only=True)
    click.echo(text)


def print_told(facts: Any, text: str, as_json: bool) -> None:
    """Print what a command found: its facts as JSON, or its text."""
    print_json(facts) if as_json else print_text(text)


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
