"""A budget of pixels that workers share: large pictures wait for one another, small ones never."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

__all__ = ["LARGE", "PIXELS", "PixelBudget"]

LARGE = 1 << 22
"""Pixels of a large picture, which takes from the budget: more than 2048 x 2048."""


class PixelBudget:
    """A budget of pixels held in memory at once by all threads.

    Args:
        total: pixels; one picture may have more, and is then alone.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self.reset()

    def reset(self) -> None:
        """Begin anew, with all of it free."""
        self._taken = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Hold so many pixels of the budget within the block; waits until they are free. A thread holds one at a time."""
        if pixels <= LARGE:
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + pixels <= self._total)
            self._taken += pixels
        try:
            yield
        finally:
            with self._changed:
                self._taken -= pixels
                self._changed.notify_all()


PIXELS = PixelBudget(1 << 26)
"""The budget of this process: 64 million pixels, 256 MiB of decoded RGB."""

if hasattr(os, "register_at_fork"):  # a forked worker has none of the threads that hold some
    os.register_at_fork(after_in_child=PIXELS.reset)
