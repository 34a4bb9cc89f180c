"""The data set's own facts: fingerprint, shape, and class indices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from runtime.errors import InputError
from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import load_arrays
from toolkit.data.readers.pairs import load_triplets
from toolkit.tasks.class_indices import class_targets

X, Y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 1, 0])


def test_the_fingerprint_changes_with_any_input_or_target() -> None:
    data = load_arrays(X, Y)
    assert data.fingerprint() == load_arrays(X.copy(), Y.tolist()).fingerprint()
    other_x, other_y = X.copy(), Y.copy()
    other_x[3, 2] += 1e-3
    other_y[0] = 1
    assert len({d.fingerprint() for d in (data, load_arrays(other_x, Y), load_arrays(X, other_y))}) == 3
    # names and places do not matter
    assert replace(data, labels=("a", "b"), source="elsewhere").fingerprint() == data.fingerprint()


def test_uint8_and_transposed_inputs_have_a_fingerprint_too() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), np.uint8)
    assert load_arrays(pixels, Y).fingerprint() == load_arrays(pixels.copy(order="F"), Y).fingerprint()


@pytest.mark.parametrize(
    ("values", "labels", "indices", "names"),
    [
        ([2, 0, 1], None, [2, 0, 1], ("0", "1", "2")),
        ([-1, 1, -1], None, [0, 1, 0], ("-1", "1")),
        (["-1", "1", "-1"], None, [0, 1, 0], ("-1", "1")),
        ([5, 7, 5], ["five", "seven"], [0, 1, 0], ("five", "seven")),
        (["b", "a"], ["first", "second"], [1, 0], ("first", "second")),
        (np.array([200, 100], np.uint8), None, [1, 0], ("100", "200")),
    ],
)
def test_classes_are_ordered_as_numbers_or_as_text(values: Any, labels: Any, indices: Any, names: Any) -> None:
    found, found_names = class_targets(values, labels)
    assert found.tolist() == indices
    assert found_names == names


def test_another_number_of_names_than_of_classes_is_refused() -> None:
    with pytest.raises(InputError, match=r"2 class names were given \(p, q\); the data has 3 classes"):
        class_targets(["a", "b", "c"], ["p", "q"])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (load_arrays(X, np.eye(4), task="multilabel"), "4 examples of shape 3, 4 labels"),
        (
            load_arrays(X, np.zeros((4, 5), int), task="dense"),
            "4 examples of shape 3, 1 classes at each of 5 positions",
        ),
        (load_arrays(X, Y, task="regression"), "4 examples of shape 3, targets target"),
        (load_triplets(X, X, X), "4 examples of shape 3, in triplets"),
    ],
)
def test_a_data_set_describes_itself_by_its_task(data: Dataset, words: str) -> None:
    assert data.describe() == words


def test_tokens_stay_whole_and_everything_else_becomes_float32() -> None:
    assert load_arrays(X, Y).dtype == "float32"
    tokens = load_arrays([[1, 2], [3, 4]], [0, 1], tokens=True)
    assert (tokens.dtype, tokens.padding, tokens.vocabulary) == ("int64", None, None)
    with pytest.raises(InputError, match="whole numbers of at least 0 are expected"):
        load_arrays([[1, -2]], [0], tokens=True)


def test_a_data_set_that_contradicts_itself_is_refused() -> None:
    data = load_arrays(X, Y)
    with pytest.raises(InputError, match="The task 'classify' was given"):
        replace(data, task="classify")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="There are 4 inputs, but 3 labels"):
        replace(data, targets=Y[:3])
