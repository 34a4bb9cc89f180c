"""Any torch Dataset or DataLoader becomes a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)
from torch.utils.data import Dataset as TorchDataset

from runtime.card import ArrayInput, ImageInput, TextInput
from runtime.errors import InputError
from toolkit.data.dataset import Dataset
from toolkit.data.readers import torch_sources
from toolkit.data.readers.arrays import load_arrays
from toolkit.data.readers.torch_sources import load_torch_dataset, loader_batch_size

RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.integers(0, 256, (6, 8, 9, 3), np.uint8)
LABELS = [2, 0, 1, 1, 0, 2]


class Items(TorchDataset):  # type: ignore[type-arg]
    """N items, made by a function of their number."""

    def __init__(self, count: int, make: Callable[[int], Any], **attributes: Any) -> None:
        self.count, self.make = count, make
        vars(self).update(attributes)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        if index >= self.count:
            raise IndexError(index)
        return self.make(index)


class Stream(IterableDataset):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[Any]:
        return iter((torch.full((3,), float(index)), index % 2) for index in range(5))


def inputs(data: Dataset) -> np.ndarray:
    return data.inputs.take(torch.arange(len(data))).numpy()


@pytest.mark.parametrize(
    "make",
    [
        lambda index: (Image.fromarray(PICTURES[index]), LABELS[index]),
        lambda index: (torch.from_numpy(PICTURES[index]).permute(2, 0, 1), torch.tensor(LABELS[index])),
        lambda index: {"image": PICTURES[index], "label": np.int64(LABELS[index])},
        lambda index: [PICTURES[index], LABELS[index]],
    ],
)
def test_pictures_in_any_form_are_what_their_arrays_are(make: Callable[[int], Any]) -> None:
    data, expected = load_torch_dataset(Items(6, make)), load_arrays(PICTURES, LABELS)
    assert data.card == expected.card
    assert isinstance(data.card, ImageInput)
    assert data.source == "Items"
    np.testing.assert_array_equal(inputs(data), inputs(expected))
    np.testing.assert_array_equal(data.targets, expected.targets)


def test_classes_of_the_data_set_become_labels_also_behind_a_subset() -> None:
    items = Items(6, lambda index: (PICTURES[index], LABELS[index]), classes=["cat", "dog", "owl", "yak"])
    assert load_torch_dataset(items).labels == ("cat", "dog", "owl", "yak")
    part = load_torch_dataset(Subset(items, [1, 4]))
    assert (part.labels, part.targets.tolist(), part.source) == (("cat", "dog", "owl", "yak"), [0, 0], "Items")
    assert load_torch_dataset(items, labels=["a", "b", "c"]).labels == ("a", "b", "c")


def test_a_loader_gives_its_batch_size_and_its_data_set_in_order() -> None:
    rows, labels = torch.arange(10.0).reshape(5, 2), torch.tensor([0, 1, 1, 0, 1])
    loader = DataLoader(TensorDataset(rows, labels), batch_size=4, shuffle=True)
    data = load_torch_dataset(loader)
    assert loader_batch_size(loader) == 4
    assert loader_batch_size(loader.dataset) is None
    assert data.card == ArrayInput("input", (2,))
    np.testing.assert_array_equal(inputs(data), rows)
    assert data.targets.tolist() == labels.tolist()


def test_streams_and_loaders_that_collate_for_themselves_are_read_once() -> None:
    for source in (Stream(), DataLoader(Stream(), batch_size=2)):
        data = load_torch_dataset(source)
        assert inputs(data)[:, 0].tolist() == [0, 1, 2, 3, 4]
        assert data.targets.tolist() == [0, 1, 0, 1, 0]

    def collate(items: list[Any]) -> Any:
        return torch.stack([torch.cat([x, x]) for x, _ in items]), torch.tensor([y for _, y in items])

    assert load_torch_dataset(DataLoader(Stream(), batch_size=2, collate_fn=collate)).shape == (6,)


def test_a_loader_keeps_to_the_part_that_its_sampler_names() -> None:
    rows = TensorDataset(torch.arange(8.0)[:, None], torch.arange(8) % 2)
    part = load_torch_dataset(DataLoader(rows, batch_size=2, sampler=SubsetRandomSampler([6, 1, 3])))
    assert inputs(part)[:, 0].tolist() == [1, 3, 6]
    drawn = load_torch_dataset(DataLoader(rows, batch_size=2, sampler=WeightedRandomSampler([0.0] * 7 + [1.0], 4)))
    assert inputs(drawn)[:, 0].tolist() == [7, 7, 7, 7]
    whole = load_torch_dataset(DataLoader(rows, batch_sampler=[[0, 1], [5]]))
    assert inputs(whole)[:, 0].tolist() == [0, 1, 5]


@pytest.mark.parametrize(
    ("y", "task", "targets"),
    [
        ([0.5, 1.5], "regression", [[0.5], [1.5]]),
        ([torch.tensor([1.0, 0]), torch.tensor([1.0, 1])], "multilabel", [[1, 0], [1, 1]]),
        ([torch.tensor([1, 0, 2]), torch.tensor([1, 1, 1])], "dense", [[1, 0, 2], [1, 1, 1]]),
        (["b", "a"], "classification", [1, 0]),
    ],
)
def test_labels_are_shaped_for_the_task(y: Any, task: Any, targets: Any) -> None:
    data = load_torch_dataset(Items(2, lambda index: (torch.zeros(3), y[index])), task=task)
    assert data.targets.tolist() == targets


def test_texts_and_tokens_are_told_from_numbers() -> None:
    texts = load_torch_dataset(Items(2, lambda index: (["ab", "c"][index], index)))
    assert isinstance(texts.card, TextInput)
    tokens = load_torch_dataset(Items(2, lambda index: (torch.tensor([index, 2]), index)))
    assert (tokens.card, tokens.dtype) == (ArrayInput("input", (2,), "int64"), "int64")
    numbers = load_torch_dataset(Items(2, lambda index: (torch.tensor([index, 2]), index)), tokens=False)
    assert numbers.dtype == "float32"
    single = load_torch_dataset(Items(2, lambda index: (torch.tensor(float(index)), index)))
    assert single.shape == (1,)


def test_large_sets_are_served_item_by_item_with_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    items = Items(6, lambda index: (PICTURES[index], LABELS[index]), targets=LABELS)
    in_memory = load_torch_dataset(items)
    monkeypatch.setattr(torch_sources, "MEMORY_BYTES", 100)
    served = load_torch_dataset(items)
    assert served.inputs.raw() is None
    assert served.card == in_memory.card
    np.testing.assert_array_equal(inputs(served), inputs(in_memory))
    np.testing.assert_array_equal(served.targets, in_memory.targets)
    unlike = load_torch_dataset(Items(3, lambda index: (PICTURES[index, index:], 0)))
    with pytest.raises(InputError, match=r"The items differ in shape|Bring them to one shape"):
        inputs(unlike)


def test_items_behind_a_random_transform_stay_random() -> None:
    served = load_torch_dataset(Items(4, lambda index: (torch.rand(2) + index, index % 2)))
    first, second = inputs(served), inputs(served)
    assert not np.array_equal(first, second)
    assert np.floor(first[:, 0]).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (Items(0, lambda index: None), "Items is empty; at least one item is expected"),
        (DataLoader(Items(0, lambda index: None)), "Items is empty"),
        (
            Items(2, lambda index: (torch.zeros(index + 1), 0)),
            "item 0 is (1,), item 1 is (2,). Bring them to one shape",
        ),
        (Items(2, lambda index: torch.zeros(3)), "Items, item 0 is a Tensor without a label; (x, y)"),
        (Items(2, lambda index: (1, 2, 3)), "Items, item 0 is 3 values"),
        (Items(2, lambda index: {"image": torch.zeros(3)}), "none of its keys image is known for the label"),
        (Items(2, lambda index: {"label": 1}), "none of its keys label is known for the input"),
        (Items(2, lambda index: (object(), 1)), "its input is a object; a picture, an array"),
        (Items(2, lambda index: 1 // 0), "Items failed on its item 0: ZeroDivisionError"),
        (Items(2, lambda index: (torch.zeros(3), 1 // (1 - index))), "Items failed on its item 1: ZeroDivisionError"),
        (Items(2, lambda index: (torch.full((3,), torch.nan), 1)), "The inputs hold nan at position (0, 0)"),
        (Items(2, lambda index: (torch.zeros(3), 0.5)), "The label 0.5 is not a whole number"),
        (3, "A int was given; a torch Dataset or DataLoader"),
    ],
)
def test_what_cannot_be_used_is_named(source: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        load_torch_dataset(source)
    assert words in str(caught.value)
