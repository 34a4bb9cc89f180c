"""Seeded splits into training and validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from runtime.errors import InputError
from toolkit.data.dataset import Dataset

__all__ = ["Split", "split"]


@dataclass(frozen=True)
class Split:
    """Positions of a data set: int64 `train` and `validation`, each sorted, without a common one."""

    train: np.ndarray
    validation: np.ndarray


def split(data: Dataset, train_ratio: float = 1.0, seed: int = 0) -> Split:
    """Split by `train_ratio`; class by class for classification, so that each class keeps its share.

    Args:
        data: the data set.
        train_ratio: share of the training part, above 0 and at most 1; 1 leaves nothing for validation.
        seed: the same seed gives the same split.

    Raises:
        InputError: the ratio is out of range, or leaves a part empty.
    """
    if not 0 < train_ratio <= 1:
        raise InputError(f"The training share is {train_ratio}; a number above 0 and at most 1 is expected.")
    everything = np.arange(len(data), dtype=np.int64)
    if train_ratio == 1:
        return Split(everything, everything[:0])
    random = np.random.default_rng(seed)
    groups = (
        [np.flatnonzero(data.targets == index) for index in np.unique(data.targets)]
        if data.task == "classification"
        else [everything]
    )
    # Each group is shuffled; its members get evenly spaced ranks, so that cutting the ranked whole cuts every group alike.
    ranks = np.empty(len(data))
    for group in groups:
        offset = random.random()
        ranks[random.permutation(group)] = (np.arange(len(group)) + offset) / len(group)
    order = np.argsort(ranks, kind="stable")
    count = round(train_ratio * len(data))
    if count in (0, len(data)):
        raise InputError(
            f"A training share of {train_ratio} of {len(data)} examples leaves one part empty. Use another share."
        )
    return Split(np.sort(order[:count]), np.sort(order[count:]))
