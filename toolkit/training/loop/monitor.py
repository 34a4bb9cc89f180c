"""Monitor: the score that selects the best epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from runtime.errors import SpecError, suggest
from toolkit.data.dataset import Task
from toolkit.training.metrics import higher_is_better, metric_key
from toolkit.training.settings import Named

__all__ = ["Monitor", "better"]


class Monitor:
    """Scores an epoch's entry in the history.

    Args:
        name: a value of the entry, such as "val_loss"; None takes the accuracy of a classifier, then the loss; on the
            validation part where there is one.
        task: the task of the data.
        metrics: the metrics measured besides the loss.
        validated: True if there is a validation part.

    Raises:
        SpecError: an epoch of this training measures no value called `name`.
    """

    def __init__(self, name: str | None, task: Task, metrics: Sequence[Named], validated: bool) -> None:
        self.name, self.task = name, task
        self.prefix = "val_" if validated else ""
        values = ["loss", *map(metric_key, metrics)]
        known = [*values, *(f"val_{value}" for value in values if validated)]
        if name is not None and name not in known:
            raise SpecError(
                f"monitor={name!r} was given, but an epoch of this training measures no such value.{suggest(name, known)}"
            )

    def score(self, entry: Mapping[str, float]) -> tuple[float, ...]:
        """Score of an epoch, compared lexicographically, higher is better; NaN and missing values score lowest."""
        if self.name is not None:
            return (_upward(self.name, entry.get(self.name, math.nan)),)
        loss = _upward("loss", entry[f"{self.prefix}loss"])
        accuracy = entry.get(f"{self.prefix}acc") if self.task == "classification" else None
        return (loss,) if accuracy is None else (accuracy, loss)  # a loss of vectors leaves no classes to count


def better(new: tuple[float, ...], old: tuple[float, ...], margin: float = 0.0) -> bool:
    """Lexicographic comparison: True if `new` exceeds `old` by more than `margin` in the first number that differs."""
    for one, other in zip(new, old, strict=True):
        if one > other + margin:
            return True
        if one < other:
            return False
    return False


def _upward(name: str, value: float) -> float:
    """A value with the sign for which higher is better; NaN becomes the lowest."""
    if math.isnan(value):
        return -math.inf
    return value if higher_is_better(name) else -value
