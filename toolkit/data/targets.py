"""Targets of a task from labels or values, with their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolkit.data.class_names import class_names
from toolkit.tasks.registry import find_task

__all__ = ["make_targets"]


def make_targets(y: Any, task: str, labels: Sequence[str] | None = None) -> tuple[Any, tuple[str, ...]]:
    """Labels or values, one entry per row -> (targets as `Dataset` has them, names of the classes or values).

    Args:
        y: for classification (N,) or (N, 1) names or whole numbers, or one-hot (N, K);
            for multilabel (N, K) of 0 and 1, or a list of N lists of names;
            for regression (N,) or (N, T) numbers;
            for dense (N, L) or (N, H, W) whole numbers, or a list of N arrays (L_i,) of different lengths; -100 is
            ignored.
        task: the task of the targets.
        labels: names of the classes or values in the order of a network's outputs; a name that is in the data means itself. None
            takes those in the data, or numbers them.

    Raises:
        InputError: the shape, the kind or a value does not fit the task, or there is another number of names.
    """
    return find_task(task).read_targets(y, class_names(labels))
