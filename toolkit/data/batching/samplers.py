"""Samplers: examples of an epoch, their order, and each process's share; a function of seed and epoch alone."""

from __future__ import annotations

import numpy as np

from runtime.errors import InputError
from toolkit.data.dataset import Dataset

__all__ = ["balanced_order", "check_balanced", "repeats_of", "share_of", "shuffled_order"]


def shuffled_order(indices: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """int64 (n,) -> the same positions in an order drawn from (seed, epoch)."""
    return np.random.default_rng((seed, epoch)).permutation(indices)


def check_balanced(data: Dataset) -> None:
    """Raise InputError for data without one class per example."""
    if data.task != "classification":
        raise InputError(
            f"sampling='balanced' draws classes equally often; the data are {data.describe()}, without one class an example. "
            f"Use sampling='all'."
        )


def balanced_order(indices: np.ndarray, targets: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """As many positions as before, drawn with replacement so that the classes come equally often, give or take one.

    Args:
        indices: int64 (n,) positions in the data set.
        targets: int64 (N,) classes of the whole data set.
        seed, epoch: determine the draw.
    """
    random = np.random.default_rng((seed, epoch))
    present = targets[indices]
    classes = random.permutation(np.unique(present))  # which classes get the one more, where it does not divide evenly
    shares = np.array_split(np.arange(len(indices)), len(classes)) if len(classes) else []
    drawn = [random.choice(indices[present == label], len(share)) for label, share in zip(classes, shares, strict=True)]
    return random.permutation(np.concatenate(drawn)) if drawn else indices


def repeats_of(order: np.ndarray) -> np.ndarray:
    """Number of earlier occurrences of each entry of `order`, int64 (n,): [7, 2, 7, 7] -> [0, 0, 1, 2]."""
    by_value = np.argsort(order, kind="stable")
    ordered = order[by_value]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(order) else by_value
    lengths = np.diff(np.r_[starts, len(order)])
    repeats = np.empty(len(order), np.int64)
    repeats[by_value] = np.arange(len(order)) - np.repeat(starts, lengths)
    return repeats


def share_of(first: int, last: int, rank: int, world: int) -> slice:
    """The contiguous part of the rows `first` to `last` for one process of `world`; parts differ by one row at most."""
    rows = last - first
    return slice(first + rows * rank // world, first + rows * (rank + 1) // world)
