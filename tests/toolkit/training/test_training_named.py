"""Names with options, checked against a signature."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from runtime.errors import SpecError
from toolkit.training.named import check_options, find_name, join_named, plain, split_named


def build(
    first: Any, rate: float = 0.1, flag: bool = False, mode: str = "a", pair: tuple[float, float] = (1.0, 2.0)
) -> None:
    """What options are for."""


def test_a_name_and_its_options_come_apart_and_together() -> None:
    assert split_named("SGD", "optimiser") == ("SGD", {})
    assert split_named({"name": "SGD", "momentum": 0.9}, "optimiser") == ("SGD", {"momentum": 0.9})
    assert join_named("sgd", {}) == "sgd"
    assert join_named("sgd", {"momentum": 0.9}) == {"name": "sgd", "momentum": 0.9}
    with pytest.raises(SpecError, match=r"The optimiser \{'momentum': 0.9\} has no name"):
        split_named({"momentum": 0.9}, "optimiser")


def test_names_are_found_without_case_underscores_hyphens_and_spaces() -> None:
    known = ("cosine_restarts", "MSELoss")
    for name in ("Cosine Restarts", "COSINE-restarts", "cosinerestarts"):
        assert find_name(name, known, "schedule") == "cosine_restarts"
    assert find_name("mse", known, "loss", ending="loss") == find_name("mse_loss", known, "loss", "loss") == "MSELoss"


def test_options_become_plain_values_that_json_can_hold() -> None:
    given = {
        "first": torch.tensor([1.0, 2.0]), "rate": np.float32(0.5), "flag": np.bool_(True), "pair": (1, np.int64(2)),
    }  # fmt: skip
    checked = check_options(build, given, "It")
    assert checked == {"first": [1.0, 2.0], "rate": 0.5, "flag": True, "pair": [1, 2]}
    assert json.loads(json.dumps(checked)) == checked
    with pytest.raises(SpecError, match=r"x=<object .* a number, a text or a list of these"):
        plain(object(), "x")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rat": 1}, "It has no option 'rat'. Did you mean 'rate'?"),
        ({"first": 1}, "It has no option 'first'."),
        ({"rate": True}, "It: rate=True was given; a number is expected."),
        ({"flag": 1}, "It: flag=1 was given; True or False is expected."),
        ({"mode": 1}, "It: mode=1 was given; a text is expected."),
        ({"pair": [1]}, "It: pair=[1] was given; a list of 2 numbers is expected."),
        ({"pair": [1, "x"]}, "a list of 2 numbers"),
    ],
)
def test_a_wrong_option_is_told(given: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_options(build, given, "It", hidden=("first",))
    assert words in str(caught.value)
