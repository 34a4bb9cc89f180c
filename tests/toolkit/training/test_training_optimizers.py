"""Optimisers by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from runtime.errors import SpecError
from toolkit.training.optimizers import OPTIMIZERS, find_optimizer, make_optimizer


def test_names_are_found_without_case() -> None:
    assert [find_optimizer(name) for name in ("Adam", "SGD", "RMSprop", "ASGD", "Adagrad", "AdamW")] == [
        "adam", "sgd", "rmsprop", "asgd", "adagrad", "adamw",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["Adamm", "", 3, None])
def test_an_unknown_name_suggests(name: Any) -> None:
    with pytest.raises(SpecError, match=r"There is no optimiser .*(Did you mean|Known names)"):
        find_optimizer(name)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_is_torchs_own_with_the_usual_rate_unless_another_is_given(name: str) -> None:
    def weights() -> list[torch.nn.Parameter]:
        return [torch.nn.Parameter(torch.ones(2))]

    usual = OPTIMIZERS[name][1]
    found = make_optimizer(name.upper(), weights(), None, 0.25, peak=4.0)
    assert type(found).__name__.lower() == name
    assert found.param_groups[0]["lr"] == 4 * usual
    assert found.param_groups[0]["weight_decay"] == 0.25
    assert make_optimizer(name, weights(), 0.5, 0.0, peak=4.0).param_groups[0]["lr"] == 0.5


def test_sgd_has_momentum() -> None:
    assert make_optimizer("sgd", [torch.nn.Parameter(torch.ones(1))], None, 0.0).param_groups[0]["momentum"] == 0.9
