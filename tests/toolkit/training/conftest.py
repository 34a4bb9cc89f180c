"""A small data set of three noisy clusters, and a training of it that is run directly or with its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolkit import nn
from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import load_arrays


@pytest.fixture(scope="session")
def clusters() -> Dataset:
    """60 rows of 4 numbers in three classes that overlap a little."""
    random = np.random.default_rng(0)
    labels = np.arange(60) % 3
    rows = random.normal(labels[:, None] * [1.5, -1.0, 0.5, 0.0], 0.8, (60, 4))
    return load_arrays(rows, labels, labels=["low", "middle", "high"])


@pytest.fixture(scope="session")
def line() -> Dataset:
    """60 rows of 2 numbers and the value 2 a - b + 1."""
    rows = np.random.default_rng(1).uniform(-1, 1, (60, 2))
    return load_arrays(rows, 2 * rows[:, 0] - rows[:, 1] + 1, task="regression")


@pytest.fixture(scope="session")
def assemble(clusters: Dataset) -> Callable[..., nn]:
    """A function that assembles a network with dropout for `clusters` in a folder."""

    def make(folder: Path, seed: int | None = 3, train_val_ratio: float = 0.8, **arguments: Any) -> nn:
        model = nn("cls", folder)
        if seed is not None:
            model.set_seed(seed)
        raw = clusters.inputs.raw()
        model.load_dataset(
            raw, clusters.targets, classes=clusters.labels, batch_size=16, train_val_ratio=train_val_ratio, **arguments
        )
        model.add("linear", size=8, activation="relu")
        model.add("dropout", p=0.4)
        model.add("linear", size=3, activation="softmax")
        return model

    return make
