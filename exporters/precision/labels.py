"""Labels from outside -> the numbers that a network with a card is right by, as its task reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runtime.card import ModelCard
from toolkit.tasks.registry import known_task

__all__ = ["array_targets", "named_targets"]

Array = np.ndarray[Any, Any]


def named_targets(names: Sequence[str], card: ModelCard, place: Path) -> Array | None:
    """Class names, or positions of classes as texts -> int64 (N,); None for a task without classes.

    Raises:
        InputError: a name is not among the card's labels.
    """
    task = known_task(card.task)
    return None if task is None else task.named_targets(names, card.labels, place)


def array_targets(values: Array, card: ModelCard, place: Path) -> Array | None:
    """An array of labels or values -> targets of the card's task; None for a task without.

    Raises:
        InputError: another shape or kind than the task's.
    """
    task = known_task(card.task)
    return None if task is None else task.array_targets(values, card.labels, place)
