"""Sequences of different lengths become one array, filled up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from runtime.card import SequenceInput
from runtime.errors import InputError
from runtime.preprocess import prepare_sequences
from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import load_arrays
from toolkit.data.readers.sequences import load_sequences
from toolkit.tasks.class_indices import IGNORED

RANDOM = np.random.default_rng(0)
SEQUENCES = [RANDOM.normal(3, 2, (length, 2)) for length in (4, 1, 6)]


def inputs(data: Dataset) -> np.ndarray:
    return data.inputs.take(torch.arange(len(data))).numpy()


def test_the_longest_gives_the_length_and_steps_of_nan_fill_up() -> None:
    data = load_sequences(SEQUENCES, ["a", "b", "a"])
    assert data.card == SequenceInput("input", 2, 6, fill="nan")
    assert (data.shape, data.dtype, data.labels) == ((6, 2), "float32", ("a", "b"))
    for row, sequence in zip(inputs(data), SEQUENCES, strict=True):
        np.testing.assert_allclose(row[: len(sequence)], sequence, rtol=1e-6)
        assert np.isnan(row[len(sequence) :]).all()


def test_the_card_repeats_the_scaling_in_the_field() -> None:
    data = load_sequences(SEQUENCES, [0, 1, 0], scale=True, length=3)
    assert isinstance(data.card, SequenceInput)
    np.testing.assert_array_equal(prepare_sequences(SEQUENCES, data.card), inputs(data))
    steps = np.concatenate(SEQUENCES)
    np.testing.assert_allclose(data.card.mean, steps.mean(0))
    assert inputs(data).shape == (3, 3, 2)


def test_arrays_of_different_lengths_are_taken_for_sequences() -> None:
    assert load_arrays(SEQUENCES, [0, 1, 0]).card == SequenceInput("input", 2, 6, fill="nan")
    assert load_arrays([np.arange(3.0), np.arange(5.0)], [0, 1]).card == SequenceInput("input", 1, 5, fill="nan")


def test_a_class_at_each_step_is_cut_and_filled_up_with_the_inputs() -> None:
    y = [[0, 1, 1, 0], [1], [0, 1, 2, 0, 1, 0]]
    assert load_sequences(SEQUENCES, y, task="dense").targets[1].tolist() == [1] + [IGNORED] * 5
    data = load_sequences(SEQUENCES, y, task="dense", length=2)
    assert data.targets.tolist() == [[0, 1], [1, IGNORED], [0, 1]]


@pytest.mark.parametrize(
    ("sequences", "y", "options", "words"),
    [
        ([], [], {}, "No sequence was given"),
        (SEQUENCES, [0, 1], {}, "There are 3 inputs, but 2 labels"),
        (SEQUENCES, None, {}, "There are 3 inputs, but None labels"),
        ([np.zeros((2, 2)), np.zeros((2, 3))], [0, 1], {}, "Sequence 2 has the shape (2, 3); (steps, 2)"),
        ([np.zeros((2, 2)), np.zeros((0, 2))], [0, 1], {}, "Sequence 2 has the shape (0, 2)"),
        ([np.zeros((2, 2)), "abc"], [0, 1], {}, "Sequence 2 cannot be read as numbers"),
        ([np.zeros((2, 1)), [[np.inf]]], [0, 1], {"scale": True}, "Sequence 2 holds inf at step 1, feature 1"),
        (SEQUENCES, [0, 1, 0], {"length": 0}, "length=0 was given"),
        (SEQUENCES, [0, 1, 0], {"length": 2.5}, "length=2.5 was given"),
    ],
)
def test_what_cannot_be_used_is_named(sequences: Any, y: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        load_sequences(sequences, y, **options)
    assert words in str(caught.value)
