"""Early stopping: end a training without further improvement (Prechelt, "Early Stopping - But When?", 1998)."""

from __future__ import annotations

import math
from typing import Any

from toolkit.training.loop.monitor import better

__all__ = ["EarlyStopping"]


class EarlyStopping:
    """Counts the epochs since the score last improved.

    Args:
        patience: so many epochs in a row without improvement end the training; None never does.
        min_delta: the least change that counts as improvement.
    """

    def __init__(self, patience: int | None, min_delta: float = 0.0) -> None:
        self.patience, self.min_delta = patience, min_delta
        self.best: tuple[float, ...] | None = None
        self.waited = 0

    def add(self, score: tuple[float, ...]) -> None:
        """Take an epoch's score (higher is better)."""
        if self.best is None or better(score, self.best, self.min_delta):
            self.best, self.waited = score, 0
        else:
            self.waited += 1

    @property
    def stops(self) -> bool:
        """True if the training should end."""
        return self.patience is not None and self.waited >= self.patience

    def state(self) -> dict[str, Any]:
        """State as plain values."""
        return {"best": None if self.best is None else list(self.best), "waited": self.waited}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned. Raises KeyError, TypeError or ValueError for anything else."""
        best, waited = state["best"], state["waited"]
        if type(waited) is not int or waited < 0 or (best is not None and any(math.isnan(number) for number in best)):
            raise ValueError(f"early stopping: {state!r}")
        self.best, self.waited = None if best is None else tuple(map(float, best)), waited
