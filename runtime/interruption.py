"""Interruption of onnxruntime by Ctrl-C: Python hears of it only when a run has come to its end, which may take for ever."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import weakref
from collections.abc import Iterator
from typing import Any

__all__ = ["interruptible", "stop_on_interrupt"]

# Options of the runs of every open session, which end a run where they are told to.
_OPTIONS: weakref.WeakSet[Any] = weakref.WeakSet()


def stop_on_interrupt(options: Any) -> None:
    """Let `interruptible` end the runs that are given these onnxruntime.RunOptions."""
    _OPTIONS.add(options)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within the ``with``, Ctrl-C ends a run of a session between two operators; a second one ends the process at once.

    The first is a KeyboardInterrupt, as ever. Sessions that were ended so run no more. Outside the main thread, where Python
    handles no signals, and where Ctrl-C is handled otherwise or ignored, nothing changes.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reading,), name="interruption", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        watcher.join()
        os.close(reading)


def _watch(reading: int) -> None:
    """Read the numbers of signals until the other end is closed."""
    pressed = 0
    while numbers := os.read(reading, 64):
        pressed += numbers.count(signal.SIGINT)
        if pressed > 1:
            os._exit(130)
        if pressed:
            for options in list(_OPTIONS):
                options.terminate = True
