"""Progress display of a command: a bar on a terminal, and lines above it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click

from runtime.console import without_controls

__all__ = ["print_line", "progress_bar", "progressing"]


def progress_bar(total: int, label: str) -> Any:
    """A progress bar with the time left, on a terminal only."""
    return click.progressbar(length=total, label=label, file=sys.stderr, hidden=not sys.stderr.isatty())


def progressing(results: Iterable[Any], total: int, label: str) -> Iterator[Any]:
    """Iterate over results, advancing a progress bar by one step each."""
    with progress_bar(total, label) as bar:
        for result in results:
            yield result
            bar.update(1)


def print_line(text: str) -> None:
    """Print through `sys.stdout`, above a progress bar that has taken it over; `click.echo` would write into the bar."""
    print(without_controls(text), flush=True)
