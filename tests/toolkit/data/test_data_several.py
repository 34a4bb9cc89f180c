"""Several inputs an example, and targets of different lengths."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from runtime.card import ArrayInput
from runtime.errors import InputError
from toolkit.data.batching.batches import Batches
from toolkit.data.dataset import Dataset
from toolkit.data.ragged_targets import ArrayTargets, RaggedTargets, as_targets
from toolkit.data.stores import JoinedStore, RowStore
from toolkit.data.tensors import first_tensor, map_tensors, rows

LENGTHS = (2, 0, 3, 1, 5)


def several() -> Dataset:
    """Row i holds the number i in both inputs, and i marks of it."""
    numbers = np.arange(5, dtype=np.float32)[:, None]
    stores = JoinedStore([RowStore(numbers), RowStore(np.repeat(numbers, 3, axis=1))])
    marks = RaggedTargets([np.full((count, 2), index, np.float32) for index, count in enumerate(LENGTHS)])
    return Dataset("embedding", ArrayInput("a", (1,)), stores, marks, (), "numbers", further=(ArrayInput("b", (3,)),))


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_keep_inputs_and_targets_of_one_example_together(workers: int) -> None:
    batches = Batches(several(), batch_size=2, shuffle=True, seed=3, workers=workers)
    seen = []
    for (first, second), targets in batches:
        assert first.shape[1:] == (1,)
        assert second.shape[1:] == (3,)
        assert len(targets) == len(first) == rows((first, second))
        for one, two, marks in zip(first, second, targets, strict=True):
            index = int(one)
            assert (two == one).all()
            assert marks.shape == (LENGTHS[index], 2)
            assert (marks == index).all()
            seen.append(index)
    batches.close()
    assert sorted(seen) == [0, 1, 2, 3, 4]
    assert [len(marks) for marks in batches.targets()] == list(LENGTHS)


def test_the_fingerprint_changes_with_every_input_and_with_the_targets() -> None:
    data = several()
    prints = {data.fingerprint()}
    other = JoinedStore([data.inputs.stores[0], RowStore(np.zeros((5, 3), np.float32))])
    prints.add(dataclasses.replace(data, inputs=other).fingerprint())
    longer = RaggedTargets(
        [np.zeros((2 if index == 1 else count, 2), np.float32) for index, count in enumerate(LENGTHS)]
    )
    prints.add(dataclasses.replace(data, targets=longer).fingerprint())
    # the same numbers, of which one belongs to the neighbour
    flat = [np.zeros((count, 2), np.float32) for count in (1, 1, 3, 1, 5)]
    prints.add(dataclasses.replace(data, targets=RaggedTargets(flat)).fingerprint())
    prints.add(dataclasses.replace(data, targets=RaggedTargets([*flat[1:], flat[0]])).fingerprint())
    assert len(prints) == 5
    assert several().fingerprint() in prints


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(InputError, match=r"The inputs hold 2, 3 examples; as many of each are expected\."):
        JoinedStore([RowStore(np.zeros((2, 1))), RowStore(np.zeros((3, 1)))])
    with pytest.raises(
        InputError, match=r"of example 1 is float64 of shape \(2, 3\), that of the first is float32 of shape"
    ):
        RaggedTargets([np.zeros((1, 2), np.float32), np.zeros((2, 3))])
    with pytest.raises(InputError, match=r"The target of example 0 is <U1 of shape \(1,\); an array of numbers"):
        RaggedTargets([np.array(["x"])])
    with pytest.raises(InputError, match=r"The target of example 0 is int64 of shape \(\); an array of numbers"):
        RaggedTargets([np.int64(3)])


def test_an_array_is_taken_as_it_is() -> None:
    found = as_targets(np.array([[1.0], [2.0]], np.float32))
    assert isinstance(found, ArrayTargets)
    assert found.take(torch.tensor([1, 1])).tolist() == [[2.0], [2.0]]
    ragged = several().targets
    assert as_targets(ragged) is ragged


def test_tensors_in_containers() -> None:
    value = {"a": torch.ones(2), "b": [torch.zeros(3), "text"], "c": (None, torch.ones(1))}
    doubled = map_tensors(lambda tensor: tensor * 2, value)
    assert doubled["a"].tolist() == [2.0, 2.0]
    assert doubled["b"][1] == "text"
    assert isinstance(doubled["c"], tuple)
    assert doubled["c"][0] is None
    assert first_tensor({"x": [], "y": (torch.ones(4),)}).shape == (4,)
    assert first_tensor(("text", None)) is None
    assert rows(()) == 0
