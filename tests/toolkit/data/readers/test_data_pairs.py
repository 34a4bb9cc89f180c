"""Pairs and triplets have two and three views of an example."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from runtime.card import ImageInput, TextInput
from runtime.errors import InputError
from toolkit.data.readers.arrays import load_arrays
from toolkit.data.readers.pairs import load_pairs, load_triplets
from toolkit.data.splits import split

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("same", [[1, 0, 1], [1, -1, 1], [True, False, True], np.array([1.0, -1.0, 1.0])])
def test_pairs_are_alike_or_not(same: Any) -> None:
    first, second = RANDOM.normal(size=(2, 3, 4)).astype(np.float32)
    data = load_pairs(first, second, same)
    assert (data.task, data.views, data.shape, data.labels) == ("embedding", 2, (4,), ())
    assert data.targets.tolist() == [1, -1, 1]
    assert data.targets.dtype == np.float32
    np.testing.assert_array_equal(data.inputs.take(torch.tensor([2, 0])).numpy(), np.stack([first, second], 1)[[2, 0]])
    assert data.describe() == "3 examples of shape 4, in pairs"


def test_triplets_of_pictures_are_prepared_as_pictures_are() -> None:
    pictures = RANDOM.integers(0, 256, (3, 5, 8, 8), np.uint8)
    data = load_triplets(*pictures)
    assert isinstance(data.card, ImageInput)
    assert (data.views, data.shape) == (3, (1, 8, 8))
    alone = load_arrays(pictures[1], range(5)).inputs.take(torch.arange(5))
    torch.testing.assert_close(data.inputs.take(torch.arange(5))[:, 1], alone, rtol=0, atol=0)


def test_texts_are_prepared_by_a_card() -> None:
    card = TextInput("x", ("<pad>", "a", "b"), 3, padding=0)
    data = load_pairs(["ab", "b"], ["a", "bb"], [1, 0], card=card)
    assert data.inputs.take(torch.arange(2)).tolist() == [[[1, 2, 0], [1, 0, 0]], [[2, 0, 0], [2, 2, 0]]]
    assert data.dtype == "int64"


def test_a_split_keeps_the_share_of_what_is_alike() -> None:
    data = load_pairs(np.zeros((40, 2)), np.zeros((40, 2)), np.arange(40) % 4 == 0)
    assert (data.targets[split(data, 0.8).train] > 0).sum() == 8


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: load_pairs(np.zeros((2, 3)), np.zeros((3, 3)), [1, 1]), "x1 has the shape (2, 3) and x2 (3, 3)"),
        (lambda: load_pairs(np.zeros((2, 3)), np.zeros((2, 4)), [1, 1]), "x1 has the shape (2, 3) and x2 (2, 4)"),
        (lambda: load_pairs(np.zeros((2, 3)), np.zeros((2, 3)), [1]), "same has the shape (1,); (2,)"),
        (lambda: load_pairs(np.zeros((2, 3)), np.zeros((2, 3)), [1, 2]), "something else than True and False"),
        (lambda: load_pairs(np.zeros((2, 3)), np.zeros((2, 3)), ["a", "b"]), "something else than True and False"),
        (lambda: load_triplets(*np.zeros((2, 2, 3)), np.full((2, 3), np.nan)), "The inputs hold nan"),
    ],
)
def test_what_does_not_belong_together_is_refused(call: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert words in str(caught.value)
