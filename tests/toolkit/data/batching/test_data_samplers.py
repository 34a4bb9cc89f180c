"""Orders and shares: from the seed and the epoch alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InputError
from toolkit.data.batching.samplers import balanced_order, check_balanced, repeats_of, share_of, shuffled_order
from toolkit.data.readers.arrays import load_arrays

TARGETS = np.repeat(np.arange(4), (90, 6, 3, 1))


def test_a_shuffled_order_has_each_position_once_and_depends_on_both_numbers() -> None:
    indices = np.arange(100)[::2]
    found = {(seed, epoch): shuffled_order(indices, seed, epoch).tolist() for seed in (0, 1) for epoch in (0, 1)}
    assert all(sorted(order) == indices.tolist() for order in found.values())
    assert len({tuple(order) for order in found.values()}) == 4
    assert shuffled_order(indices, 1, 1).tolist() == found[1, 1]


@given(st.integers(1, 100), st.integers(0, 2**32 - 1), st.integers(0, 50))
def test_balanced_classes_come_equally_often(count: int, seed: int, epoch: int) -> None:
    indices = np.random.default_rng(count).permutation(100)[:count]
    order = balanced_order(indices, TARGETS, seed, epoch)
    assert len(order) == count
    assert set(order) <= set(indices)
    drawn = np.bincount(TARGETS[order], minlength=4)[np.unique(TARGETS[indices])]
    assert drawn.max() - drawn.min() <= 1
    np.testing.assert_array_equal(order, balanced_order(indices, TARGETS, seed, epoch))


def test_balanced_orders_differ_between_epochs_and_use_every_example_in_the_long_run() -> None:
    orders = [balanced_order(np.arange(100), TARGETS, 0, epoch) for epoch in range(40)]
    assert len({tuple(order) for order in orders}) == 40
    assert set(np.concatenate(orders)) == set(range(100))


def test_what_has_no_single_class_cannot_be_balanced() -> None:
    data = load_arrays(np.zeros((3, 2)), [1.0, 2.0, 3.0], task="regression")
    with pytest.raises(InputError, match="draws classes equally often"):
        check_balanced(data)


@given(st.lists(st.integers(0, 5), max_size=30))
def test_repeats_are_counted(values: list[int]) -> None:
    expected = [values[:place].count(value) for place, value in enumerate(values)]
    assert repeats_of(np.array(values, np.int64)).tolist() == expected


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 7))
def test_shares_are_contiguous_and_even(first: int, rows: int, world: int) -> None:
    shares = [share_of(first, first + rows, rank, world) for rank in range(world)]
    assert [row for share in shares for row in range(share.start, share.stop)] == list(range(first, first + rows))
    lengths = [share.stop - share.start for share in shares]
    assert max(lengths) - min(lengths) <= 1
