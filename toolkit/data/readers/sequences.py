"""Sequences of different lengths -> a data set of one length, padded with steps of NaN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from runtime.card import SequenceInput
from runtime.errors import InputError
from runtime.ordered import ordered
from runtime.preprocess import prepare_sequences
from toolkit.data.dataset import Dataset
from toolkit.data.stores import RowStore
from toolkit.data.targets import make_targets
from toolkit.tasks.registry import DEFAULT_TASK, find_task

__all__ = ["load_sequences"]


def load_sequences(
    sequences: Sequence[Any],
    y: Any,
    *,
    task: str = DEFAULT_TASK,
    labels: Sequence[str] | None = None,
    length: int | None = None,
    scale: bool = False,
    source: str = "sequences",
) -> Dataset:
    """N sequences of different lengths -> a data set.

    Padded steps are steps of NaN at a row's end, which a network tells from real ones: its layers leave them out.

    Args:
        sequences: N arrays (L_i, F), or (L_i,) for one feature.
        y: as `make_targets` takes it, one entry per sequence; for the task "dense" N arrays (L_i,), a class at each step, or
            (S_i,) of any lengths for a loss that aligns them itself (CTC).
        task: what `y` is for.
        labels: class names.
        length: maximum steps; longer sequences are truncated at their end. None takes the longest.
        scale: bring each feature to mean 0 and deviation 1 over all steps; both are kept in the card.
        source: named in the card.

    Raises:
        InputError: a sequence is empty, differs in its features or holds a non-finite value, or `y` does not fit.
    """
    arrays = [
        _numbers(sequence, index)
        for index, sequence in enumerate(ordered(sequences, "sequences", "a list of arrays", InputError))
    ]
    if not arrays:
        raise InputError("No sequence was given; at least one is expected.")
    if not hasattr(y, "__len__") or len(y) != len(arrays):
        count = len(y) if hasattr(y, "__len__") else repr(y)
        raise InputError(f"There are {len(arrays)} inputs, but {count} labels; one for each is expected.")
    features = arrays[0].shape[1]
    longest = max(len(array) for array in arrays)
    if length is not None and (not isinstance(length, int) or isinstance(length, bool) or length < 1):
        raise InputError(f"length={length!r} was given; a whole number of steps of at least 1 is expected.")
    kept = length or max(1, longest)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    if scale and all(array.shape[1] == features for array in arrays):
        steps = np.concatenate(arrays)
        if np.isfinite(steps).all():  # else the preparation names the place
            mean = tuple(steps.mean(0).tolist())
            # a constant feature stays at zero rather than dividing by zero
            std = tuple(np.where(np.ptp(steps, axis=0) > 0, steps.std(0), 1.0).tolist())
    card = SequenceInput("input", features, kept, mean, std, fill="nan")
    rows = prepare_sequences(arrays, card)
    targets, names = make_targets(y, task, labels)
    return Dataset(
        task, card, RowStore(rows), find_task(task).fit_steps(targets, [*map(len, arrays)], kept), names, source
    )


def _numbers(sequence: Any, index: int) -> np.ndarray:
    """One sequence -> float64 (L, F)."""
    try:
        array = np.asarray(sequence, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Sequence {index + 1} cannot be read as numbers: {error}. Give arrays (steps, features)."
        ) from error
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or not array.size:
        raise InputError(
            f"Sequence {index + 1} has the shape {np.shape(sequence)}; (steps, features) with at least one of each is expected."
        )
    return array
