"""Class weights by name, by position, and in order."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch

from runtime.errors import SpecError
from toolkit import nn
from toolkit.data import Batches, load_arrays
from toolkit.training.optimization.class_weights import class_weights
from toolkit.training.settings import Settings

ROWS, NAMES = np.arange(12.0).reshape(6, 2), ["cat", "dog", "owl", "cat", "dog", "owl"]


def weights(setting: Any, y: Any = None, labels: Any = None) -> list[float]:
    """As a training uses them, and once more as its checkpoint and its TOML keep them."""
    batches = Batches(load_arrays(ROWS, np.array(NAMES if y is None else y), labels=labels))
    settings = Settings("adam", "CrossEntropyLoss", (), 0, class_weights=setting)
    found, kept = (
        class_weights(value.class_weights, batches) for value in (settings, Settings.from_dict(settings.to_dict()))
    )
    assert found is not None and kept is not None
    assert torch.equal(found, kept)
    return found.tolist()


@pytest.mark.parametrize(
    "setting",
    [
        [5, 1, 2],
        (5.0, 1.0, 2.0),
        np.array([5, 1, 2]),
        torch.tensor([5, 1, 2]),
        {"cat": 5, "dog": 1, "owl": 2},
        {"owl": 2, "cat": 5, "dog": 1},
        {0: 5, 1: 1, 2: 2},
        {2: np.float32(2), 0: np.int64(5), 1: 1.0},
        {"1": 1, "0": 5, "2": 2},
        MappingProxyType({0: 5, 1: 1, 2: 2}),
        {"a": 5, "b": 1, "c": 2}.values(),
    ],
)
def test_every_form_gives_each_class_its_weight(setting: Any) -> None:
    assert weights(setting) == [5, 1, 2]


def test_a_name_means_its_class_whatever_the_order_of_the_outputs() -> None:
    assert weights({"cat": 5, "dog": 1, "owl": 2}, labels=["owl", "cat", "dog"]) == [2, 5, 1]
    assert weights({0: 5, 1: 1}, y=[0, 1, 0, 1, 0, 1], labels=["1", "0"]) == [1, 5]
    assert weights({7: 5, 5: 1}, y=[5, 7, 5, 7, 5, 7]) == [1, 5]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"cat": 1, "dog": 2}, "class_weights has no number for the class 'owl'; one for each of cat, dog, owl"),
        ({0: 1, 1: 2}, "has no number for the class 'owl'"),
        (
            {"cat": 1, "dog": 2, "Owl": 3},
            "a number for 'Owl', which is none of the classes cat, dog, owl. Did you mean 'owl'",
        ),
        ({0: 1, 1: 2, 2: 3, 3: 4}, "a number for '3', .* nor a position from 0 to 2"),
        ({"cat": 1, 1: 2, "owl": 3}, "a number for '1', which is none of the classes"),
        ({"cat": 1, "dog": -2, "owl": 3}, r"class_weights\['dog'\]=-2 was given; a number of at least 0"),
        ({0: 1, 1: float("nan"), 2: 3}, r"class_weights\[1\]=nan was given"),
        ({0: 0, 1: 0, 2: 0}, "at least one number above 0"),
        ({}, "at least one number above 0"),
        ({0: 1, "0": 2, 1: 3, 2: 4}, "two numbers for one class"),
        ({1, 2, 3}, "A set has no order"),
        ([1, 2], "class_weights has 2 numbers; the data has 3 classes"),
        ("Balanced", "'balanced' or one number a class is expected"),
        (np.array(3.0), "'balanced' or one number a class is expected"),
    ],
)
def test_others_are_refused_in_words(setting: Any, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        weights(setting)


def test_the_weight_of_a_loss_goes_by_class_too(tmp_path: Path) -> None:
    losses = []
    for weight in ([5, 1, 2], {"owl": 2, "dog": 1, "cat": 5}, {1: 1, 0: 5, 2: 2}):
        model = nn("cls", save_fold=tmp_path)
        model.set_seed(0)
        model.load_dataset(ROWS, np.array(NAMES))
        model.add("linear", size=(2, 3))
        history = model.train(epochs=1, loss={"name": "CrossEntropyLoss", "weight": weight}, verbose=False)
        losses.append(history[0]["loss"])
    assert losses[0] == losses[1] == losses[2]
