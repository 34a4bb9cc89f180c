"""Progress display of an export: its current stage."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

__all__ = ["stage_progress"]


@contextlib.contextmanager
def stage_progress(quiet: bool) -> Iterator[Callable[[str], None] | None]:
    """Spinner with stage and elapsed time; yields the `on_stage` callback, or None if quiet or not on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading")
        yield lambda name: progress.update(task, description=name)
