"""Batches: whole, in order, shuffled by seed and epoch, and equal to each input's own preparation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from runtime.errors import InputError
from runtime.preprocess import prepare_image
from toolkit.data.arrays import load_arrays
from toolkit.data.batches import Batches
from toolkit.data.images import load_images

DATA = load_arrays(np.arange(20.0).reshape(10, 2), np.arange(10))


def order(batches: Batches) -> list[int]:
    return [int(target) for _, targets in batches for target in targets]


def test_an_epoch_has_every_example_once_and_the_last_batch_may_be_smaller() -> None:
    batches = Batches(DATA, batch_size=4)
    found = list(batches)
    assert [len(targets) for _, targets in found] == [4, 4, 2]
    assert len(batches) == 3
    assert batches.examples == 10
    assert order(batches) == list(range(10))
    assert all(inputs.dtype == torch.float32 and targets.dtype == torch.int64 for inputs, targets in found)
    assert torch.equal(torch.cat([inputs for inputs, _ in found]), torch.arange(20.0).reshape(10, 2))


def test_only_the_chosen_positions_are_served() -> None:
    batches = Batches(DATA, np.array([7, 2, 5]), batch_size=2)
    assert order(batches) == [7, 2, 5]
    assert batches.targets().tolist() == [7, 2, 5]
    assert len(batches) == 2


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    first = Batches(DATA, batch_size=3, shuffle=True, seed=5)
    epochs = [order(first) for _ in range(4)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    torch.manual_seed(99)
    np.random.seed(99)
    resumed = Batches(DATA, batch_size=5, shuffle=True, seed=5)
    resumed.epoch = 2  # as a resumed training sets it
    assert [order(resumed), order(resumed)] == epochs[2:]
    assert order(Batches(DATA, shuffle=True, seed=6)) != epochs[0]


def test_input_and_target_stay_together_when_shuffled() -> None:
    for inputs, targets in Batches(DATA, batch_size=3, shuffle=True):
        assert torch.equal(inputs[:, 0], 2.0 * targets)


def test_a_batch_equals_the_runtimes_preparation_of_each_picture(digit_folder: Path) -> None:
    data = load_images(digit_folder, color="grayscale", size=(5, 6))
    paths = [
        path for name in data.labels for path in sorted((digit_folder / name).iterdir(), key=lambda p: int(p.stem))
    ]
    for batch, (inputs, _) in enumerate(Batches(data, batch_size=7)):
        for row, prepared in enumerate(inputs):
            expected = prepare_image(paths[batch * 7 + row], data.card)  # type: ignore[arg-type]
            np.testing.assert_array_equal(prepared.numpy(), expected)


def test_targets_of_a_regression_are_rows_of_floats() -> None:
    data = load_arrays(np.zeros((4, 2)), [[1, 2], [3, 4], [5, 6], [7, 8]], task="regression")
    _, targets = next(iter(Batches(data, batch_size=3)))
    assert targets.dtype == torch.float32
    assert targets.tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize("size", [0, -1, 2.5, "8", None])
def test_a_batch_size_that_is_none_is_refused(size: Any) -> None:
    with pytest.raises(InputError, match="a whole number of at least 1 is expected"):
        Batches(DATA, batch_size=size)
