"""Interruption of a training by Ctrl-C or SIGTERM without loss of progress."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interruption", "TrainingInterrupted"]


class TrainingInterrupted(KeyboardInterrupt):
    """Raised when a training was interrupted, after its state was saved for a bit-exact resume.

    A KeyboardInterrupt, so that `except Exception` does not catch it.

    Attributes:
        epoch: whole epochs done.
        batch: batches done in the epoch under way.
    """

    def __init__(self, epoch: int, batch: int) -> None:
        place = f"after {epoch} epochs" + (f" and {batch} batches" if batch else "")
        super().__init__(f"The training was stopped {place}; its checkpoint continues it from there.")
        self.epoch, self.batch = epoch, batch


class Interruption:
    """Context manager: Ctrl-C and SIGTERM set `requested` instead of stopping at once; a second Ctrl-C stops at once.

    Signals that the program ignores stay ignored. Outside the main thread, where Python handles no signals, nothing changes.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _take(self, number: int, _frame: FrameType | None) -> None:
        # torchrun follows a Ctrl-C with SIGTERM to each process, so only Ctrl-C counts as the second signal
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True
