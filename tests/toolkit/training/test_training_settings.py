"""Settings are plain values, checked when they are made."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from runtime.errors import SpecError
from toolkit.training.settings import Settings


def make(**changes: Any) -> Settings:
    return Settings(**{"optimizer": "adam", "loss": "mse", "metrics": ("mae",), "seed": 1, **changes})


def test_they_survive_json() -> None:
    facts = make(lr=1, weight_decay=1).to_dict()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["metrics"] == ["mae"]


@pytest.mark.parametrize("number", [1, np.float64(1), np.float64(1e-3)])
def test_numbers_become_pythons_own(number: Any) -> None:
    found = make(lr=number, weight_decay=number)
    assert type(found.lr) is type(found.weight_decay) is float
    assert found.lr == number


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 0}, "epochs=0 was given; a whole number of at least 1 is expected."),
        ({"epochs": 2.0}, "epochs=2.0 was given"),
        ({"lr": 0}, "lr=0 was given; a number above 0 is expected, such as 0.001."),
        ({"lr": float("inf")}, "lr=inf was given"),
        ({"lr": float("nan")}, "lr=nan was given"),
        ({"lr": "0.1"}, "lr='0.1' was given"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1 was given; a number of at least 0 is expected"),
        ({"weight_decay": None}, "weight_decay=None was given"),
    ],
)
def test_a_wrong_value_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        make(**changes)
    assert words in str(caught.value)
