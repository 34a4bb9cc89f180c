"""Progress bar with the epoch, the loss and the time left; silent when the output is not a terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.training.loop.state import Training

__all__ = ["training_progress"]

# Reading the loss waits for the device, so it is not done after each batch.
_SECONDS = 0.2


class Bar:
    """Callback that advances the progress bar."""

    def __init__(self, progress: Any, task: Any, steps: int) -> None:
        self.progress, self.task, self.steps = progress, task, steps
        self._next = 0.0
        self._training: Training | None = None

    def on_batch_end(self, training: Training) -> None:
        """Count the batch; refresh the bar at most every so often."""
        self._training = training
        now = time.perf_counter()
        if now >= self._next:
            self.show()
            self._next = now + _SECONDS

    def show(self) -> None:
        """Refresh the bar."""
        training = self._training
        if training is None:
            return
        running = training.running
        known = float(running.total) / running.weight if running.weight else None
        if known is None and training.history:  # between two epochs
            known = training.history[-1]["loss"]
        epoch = min(training.epoch + 1, training.settings.epochs)
        self.progress.update(
            self.task,
            completed=training.epoch * self.steps + running.batch,
            epoch=f"epoch {epoch}/{training.settings.epochs}",
            loss="" if known is None else f"loss {known:.4f}",
        )


@contextlib.contextmanager
def training_progress(epochs: int, steps: int, done: int = 0) -> Iterator[Bar | None]:
    """Yield a callback for `fit` that shows a bar on standard error; None when that is not a terminal.

    Args:
        epochs: epochs of the whole training.
        steps: batches per epoch.
        done: batches that an earlier run has done.
    """
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
        yield None
        return
    columns = (
        TextColumn("{task.fields[epoch]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    # lines printed meanwhile go above the bar, but only where they would land on the same terminal
    with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as progress:
        task = progress.add_task("training", total=epochs * steps, completed=done, epoch="training", loss="")
        bar = Bar(progress, task, steps)
        yield bar
        bar.show()
