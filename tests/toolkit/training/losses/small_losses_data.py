"""A small data set for each task, and networks that fit them, for the tests of the losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from runtime.card import ArrayInput
from toolkit.builder.network import Network
from toolkit.data.dataset import Dataset
from toolkit.data.stores import RowStore


def data(task: Any, targets: Any, shape: tuple[int, ...] = (4,), classes: int = 3, views: int = 1) -> Dataset:
    """Random inputs of `shape` for the targets."""
    targets = np.asarray(targets)
    rows = (len(targets), *shape) if views == 1 else (len(targets), views, *shape)
    inputs = np.random.default_rng(0).normal(size=rows).astype(np.float32)
    labels = tuple(f"label {index}" for index in range(classes))
    return Dataset(task, ArrayInput("input", shape), RowStore(inputs), targets, labels, "test", views)


def classes(count: int = 12) -> Dataset:
    return data("classification", np.arange(count, dtype=np.int64) % 3)


def labels(count: int = 12) -> Dataset:
    return data("multilabel", np.random.default_rng(1).integers(0, 2, (count, 3)).astype(np.float32))


def numbers(count: int = 12, targets: int = 1) -> Dataset:
    values = np.random.default_rng(2).normal(size=(count, targets)).astype(np.float32)
    return data("regression", values, classes=targets)


def counts(count: int = 12) -> Dataset:
    values = np.random.default_rng(2).integers(0, 6, (count, 1)).astype(np.float32)
    return data("regression", values, classes=1)


def shares(count: int = 12) -> Dataset:
    """Distributions over three."""
    values = np.random.default_rng(3).dirichlet((1, 1, 1), count).astype(np.float32)
    return data("regression", values, classes=3)


def steps(count: int = 8) -> Dataset:
    """A class at each of five steps, the last ones filled up."""
    targets = np.random.default_rng(4).integers(0, 3, (count, 5))
    targets[:, 3:] = -100
    return data("dense", targets, shape=(5, 4))


def pixels(count: int = 6) -> Dataset:
    targets = np.random.default_rng(5).integers(0, 3, (count, 4, 5))
    targets[0, 0] = -100
    return data("dense", targets, shape=(2, 4, 5))


def transcripts(count: int = 6) -> Dataset:
    """Two or three of the classes 1 and 2, without alignment; class 0 is the blank."""
    targets = np.full((count, 3), -100)
    targets[:, :2] = np.random.default_rng(6).integers(1, 3, (count, 2))
    targets[::2, 2] = 1
    return data("dense", targets, shape=(8, 4))


def pairs(count: int = 12) -> Dataset:
    signs = np.where(np.arange(count) % 2, 1.0, -1.0).astype(np.float32)
    return data("embedding", signs, classes=0, views=2)


def triplets(count: int = 12) -> Dataset:
    return data("embedding", np.zeros(count, np.float32), classes=0, views=3)


def network(width: int, *, inputs: int = 4, end: torch.nn.Module | None = None) -> Network:
    """A linear layer on the last axis, and perhaps an activation behind it."""
    torch.manual_seed(0)
    return Network(torch.nn.Linear(inputs, width), *([] if end is None else [end]))


def pixel_network(width: int, end: torch.nn.Module | None = None) -> Network:
    """A convolution: (N, 2, 4, 5) -> (N, width, 4, 5)."""
    torch.manual_seed(0)
    return Network(torch.nn.Conv2d(2, width, 3, padding=1), *([] if end is None else [end]))


def batch(source: Dataset, rows: slice = slice(None)) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets."""
    positions = torch.arange(len(source))[rows]
    return source.inputs.take(positions), torch.from_numpy(source.targets)[positions]
