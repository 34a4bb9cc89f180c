"""Splits: seeded, complete, without overlap, and fair to every class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import InputError
from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import load_arrays
from toolkit.data.splits import same_inputs, split, three_way


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


@settings(max_examples=60, deadline=None, derandomize=True)
@given(counts=st.lists(st.integers(10, 40), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_three_parts_are_complete_and_fair(counts: list[int], seed: int) -> None:
    data = classes(counts, seed)
    parts = three_way(data, (0.6, 0.2, 0.2), seed)
    together = np.concatenate([parts.train, parts.validation, parts.test])
    assert np.array_equal(np.sort(together), np.arange(len(data)))
    for part, share in ((parts.train, 0.6), (parts.validation, 0.2), (parts.test, 0.2)):
        assert (np.diff(part) > 0).all()
        for index, count in enumerate(counts):
            assert abs(int((data.targets[part] == index).sum()) - share * count) <= 2 + len(counts)


def test_a_test_part_comes_off_the_training_and_leaves_the_validation() -> None:
    data = classes([50, 50])
    without, with_test = split(data, 0.8, 3), split(data, 0.8, 3, 0.2)
    assert np.array_equal(without.validation, with_test.validation)
    assert np.array_equal(np.sort(np.concatenate([with_test.train, with_test.test])), without.train)
    assert len(with_test.test) == 20
    assert len(split(data, 1.0, 3, 0.2).validation) == 0
    assert len(three_way(data, (0.8, 0.0, 0.2)).validation) == 0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(groups=st.lists(st.integers(0, 12), min_size=20, max_size=60), seed=st.integers(0, 99))
def test_what_belongs_together_stays_in_one_part(groups: list[int], seed: int) -> None:
    data = load_arrays(np.zeros((len(groups), 1)), np.arange(len(groups)) % 3)
    try:
        parts = split(data, 0.7, seed, groups=np.array(groups))
    except InputError:
        assert len(set(groups)) < 8
        return
    kept, held_out = ({groups[position] for position in part} for part in (parts.train, parts.validation))
    assert not kept & held_out
    assert len(parts.train) + len(parts.validation) == len(groups)
    assert abs(len(parts.train) - 0.7 * len(groups)) <= max(np.bincount(groups)) + 1


def test_equal_inputs_have_one_number() -> None:
    data = load_arrays(np.array([[1.0, 2.0], [0, 1], [1, 2], [1, 3]]), [0, 1, 1, 0])
    groups = same_inputs(data)
    assert groups[0] == groups[2]
    assert len(set(groups.tolist())) == 3


def test_several_labels_keep_their_share() -> None:
    rows = np.array([[1, 0], [1, 1], [0, 0], [1, 0]] * 25)
    data = load_arrays(np.zeros((100, 1)), rows, task="multilabel")
    np.testing.assert_allclose(data.targets[split(data, 0.8).train].mean(0), rows.mean(0), atol=0.02)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda data: three_way(data, (0.5, 0.5)), "The shares of training, validation and test are (0.5, 0.5)"),
        (lambda data: three_way(data, (0.8, 0.1, 0.2)), "add up to 1"),
        (lambda data: three_way(data, (0.0, 0.5, 0.5)), "the first above 0"),
        (lambda data: three_way(data, (0.98, 0.01, 0.01)), "leaves one part empty"),
        (lambda data: split(data, 0.8, 0, 0.8), "The test share is 0.8; at least 0 and less than the training share"),
        (lambda data: split(data, 0.8, 0, -0.1), "The test share is -0.1"),
        (lambda data: split(data, 0.8, groups=np.zeros(3)), "The groups are 3; one for each of the 10"),
    ],
)
def test_shares_that_make_no_parts_are_refused(call: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        call(classes([5, 5]))
    assert words in str(caught.value)
