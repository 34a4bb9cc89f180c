"""Splits: seeded, complete, without overlap, and fair to every class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import InputError
from toolkit.data.arrays import load_arrays
from toolkit.data.dataset import Dataset
from toolkit.data.splits import split


def classes(counts: list[int], seed: int = 0) -> Dataset:
    labels = np.repeat(np.arange(len(counts)), counts)
    np.random.default_rng(seed).shuffle(labels)
    return load_arrays(np.zeros((len(labels), 1)), labels)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6), ratio=st.floats(0.05, 0.95), seed=st.integers(0, 99)
)
def test_every_class_keeps_its_share(counts: list[int], ratio: float, seed: int) -> None:
    data = classes(counts, seed)
    total = len(data)
    try:
        parts = split(data, ratio, seed)
    except InputError:
        assert round(ratio * total) in (0, total)
        return
    together = np.concatenate([parts.train, parts.validation])
    assert np.array_equal(np.sort(together), np.arange(total))  # complete, without overlap
    assert (np.diff(parts.train) > 0).all()
    assert (np.diff(parts.validation) > 0).all()
    assert len(parts.train) == round(ratio * total)
    for index in range(len(counts)):
        members = int((data.targets == index).sum())
        found = int((data.targets[parts.train] == index).sum())
        # one example for its own rounding, and its part of the roundings of all classes
        assert abs(found - ratio * members) <= 1 + (len(counts) + 1) * members / total
    again = split(data, ratio, seed)
    assert np.array_equal(parts.train, again.train)


def test_two_equal_classes_are_cut_alike() -> None:
    data = classes([50, 50])
    for seed in range(10):
        parts = split(data, 0.8, seed)
        assert np.bincount(data.targets[parts.train]).tolist() == [40, 40]


def test_another_seed_gives_another_split() -> None:
    data = classes([50, 50])
    assert not np.array_equal(split(data, 0.8, 1).train, split(data, 0.8, 2).train)


def test_the_whole_for_training_leaves_nothing_for_validation() -> None:
    parts = split(classes([3, 4]), 1.0)
    assert parts.train.tolist() == list(range(7))
    assert parts.validation.tolist() == []


def test_values_of_a_regression_are_split_as_a_whole() -> None:
    data = load_arrays(np.zeros((40, 1)), np.linspace(0, 1, 40), task="regression")
    parts = split(data, 0.75, 3)
    assert (len(parts.train), len(parts.validation)) == (30, 10)
    assert not np.array_equal(parts.train, np.arange(30))


@pytest.mark.parametrize("ratio", [0, -0.1, 1.01, float("nan")])
def test_a_share_that_is_none_is_refused(ratio: float) -> None:
    with pytest.raises(InputError, match="a number above 0 and at most 1 is expected"):
        split(classes([5, 5]), ratio)


@pytest.mark.parametrize("ratio", [0.01, 0.99])
def test_a_share_that_leaves_a_part_empty_is_refused(ratio: float) -> None:
    with pytest.raises(InputError, match="of 10 examples leaves one part empty"):
        split(classes([5, 5]), ratio)
