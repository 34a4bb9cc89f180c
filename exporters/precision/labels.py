"""Labels of evaluation data -> targets in the form of a card's task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runtime.card import ModelCard
from runtime.errors import InputError

__all__ = ["array_targets", "named_targets"]

Array = np.ndarray[Any, Any]

_SHAPES = {
    "classification": "one label a row, (N,) or one-hot (N, K),",
    "multilabel": "0 and 1, (N, K),",
    "regression": "numbers, (N, T),",
    "dense": "whole numbers, (N, L) or (N, H, W),",
}


def named_targets(names: Sequence[str], card: ModelCard, place: Path) -> Array | None:
    """Class names, or positions of classes as texts -> int64 (N,); None for a task without classes.

    Raises:
        InputError: a name is not among the card's labels.
    """
    if card.task != "classification":
        return None
    positions = {label: index for index, label in enumerate(card.labels)}
    unknown = sorted({name for name in names if name not in positions})
    if not unknown:
        return np.array([positions[name] for name in names], np.int64)
    known = len(card.labels)
    if all(name.isdecimal() for name in names) and (not known or all(int(name) < known for name in names)):
        return np.array([int(name) for name in names], np.int64)
    labels = ", ".join(card.labels[:10]) + (", ..." if known > 10 else "")
    raise InputError(
        f"{place} has the label {unknown[0]!r}; the network's labels are {labels}. Give data with the labels that it was "
        f"trained on."
    )


def array_targets(values: Array, card: ModelCard, place: Path) -> Array | None:
    """An array of labels or values -> targets of the card's task; None for a task without.

    Raises:
        InputError: another shape or kind than the task's.
    """
    if card.task not in _SHAPES:
        return None
    try:
        if card.task == "classification":
            if values.dtype.kind == "f" and np.equal(np.mod(values, 1), 0).all():
                values = values.astype(np.int64)
            if values.ndim == 2 and values.shape[1] > 1:
                one_hot: Array = values.astype(np.float64).argmax(1).astype(np.int64)
                return one_hot
            return named_targets([str(value) for value in values.reshape(len(values)).tolist()], card, place)
        if card.task == "dense":
            found: Array = values.astype(np.int64)
        else:
            found = values.astype(np.float32).reshape(len(values), -1)
    except (TypeError, ValueError) as error:
        raise _unfit(values, card, place) from error
    fits = found.ndim in (2, 3) and (card.task == "dense" or not card.labels or found.shape[1] == len(card.labels))
    if not fits:
        raise _unfit(values, card, place)
    return found


def _unfit(values: Array, card: ModelCard, place: Path) -> InputError:
    return InputError(
        f"The labels in {place} are {values.dtype} of shape {values.shape}; {_SHAPES[card.task]} are expected for "
        f"{card.task}."
    )
