"""A progress bar with the time left; silent when the output is not a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

__all__ = ["training_progress"]


@contextlib.contextmanager
def training_progress(total: int, done: int = 0) -> Iterator[Callable[[], None]]:
    """Yield a function that advances the bar by one batch of `total`; `done` of them were done before."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda: None
        return
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    # lines printed meanwhile go above the bar, but only where they would land on the same terminal
    with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as progress:
        task = progress.add_task("training", total=total, completed=done)
        yield lambda: progress.advance(task)
