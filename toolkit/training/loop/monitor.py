"""Monitor: the score that selects the best epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from runtime.errors import SpecError, suggest
from toolkit.tasks.registry import find_task
from toolkit.training.metrics import has_direction, higher_is_better, metric_key
from toolkit.training.settings import Named

__all__ = ["Monitor", "better"]


class Monitor:
    """Scores an epoch's entry in the history.

    Args:
        name: a value of the entry, such as "val_loss"; None takes the task's (the accuracy of a classifier), then the loss; on the
            validation part where there is one.
        task: the task of the data.
        metrics: the metrics measured besides the loss.
        validated: True if there is a validation part.

    Raises:
        SpecError: an epoch of this training measures no value called `name`.
    """

    def __init__(self, name: str | None, task: str, metrics: Sequence[Named], validated: bool) -> None:
        self.name, self.metric = name, find_task(task).monitored
        self.prefix = "val_" if validated else ""
        values = ["loss", *map(metric_key, metrics)]
        known = [*values, *(f"val_{value}" for value in values if validated)]
        if name is not None and name not in known:
            raise SpecError(
                f"monitor={name!r} was given, but an epoch of this training measures no such value.{suggest(name, known)}"
            )

        if name is not None and not has_direction(name):
            metric = name.removeprefix("val_")
            raise SpecError(
                f"monitor={name!r} was given, and {metric} does not say whether higher is better. Say it: {metric}.higher_is_better = True."
            )

    def score(self, entry: Mapping[str, float]) -> tuple[float, ...]:
        """Score of an epoch, compared lexicographically, higher is better; NaN and missing values score lowest."""
        if self.name is not None:
            return (_upward(self.name, entry.get(self.name, math.nan)),)
        loss = _upward("loss", entry[f"{self.prefix}loss"])
        value = None if self.metric is None else entry.get(f"{self.prefix}{self.metric}")
        if self.metric is None or value is None:  # a loss of vectors leaves no classes to count
            return (loss,)
        return (_upward(self.metric, value), loss)


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
