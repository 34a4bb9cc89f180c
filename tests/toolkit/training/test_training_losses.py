"""Losses by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from runtime.errors import SpecError
from toolkit.builder.network import Network
from toolkit.training.losses import CLASSIFICATION_LOSSES, REGRESSION_LOSSES, default_loss, find_loss, forward_for


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "crossentropy", "cross_entropy", "CROSS_ENTROPY_LOSS"])
def test_names_are_found_without_case_underscores_or_loss_at_their_end(name: str) -> None:
    key, loss = find_loss(name, "classification")
    assert key == "crossentropyloss"
    torch.testing.assert_close(loss(torch.zeros(2, 4), torch.tensor([0, 3])), torch.tensor(4.0).log())


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_loss_is_for_one_task(task: Any) -> None:
    own, other = CLASSIFICATION_LOSSES, REGRESSION_LOSSES
    if task == "regression":
        own, other = other, own
    assert find_loss(default_loss(task), task)[0] in own
    for name in own:
        assert find_loss(name, task)[0] == name
    for name in other:
        with pytest.raises(SpecError, match=f"does not fit {task}: .* Use one of: {next(iter(own))}"):
            find_loss(name, task)


@pytest.mark.parametrize("name", ["hubble", "", 5])
def test_an_unknown_loss_suggests(name: Any) -> None:
    with pytest.raises(SpecError, match=r"There is no loss .*(Did you mean|Known names)"):
        find_loss(name, "regression")


def test_the_numbers_are_those_of_the_formulas() -> None:
    prediction, target = torch.tensor([[1.0], [4.0]]), torch.tensor([[1.5], [1.0]])
    expected = {"mse": (0.25 + 9) / 2, "l1": 3.5 / 2, "smoothl1": (0.125 + 2.5) / 2, "huber": (0.125 + 2.5) / 2}
    for name, value in expected.items():
        assert float(find_loss(name, "regression")[1](prediction, target)) == pytest.approx(value)


def test_cross_entropy_gets_the_logits_of_our_networks_and_the_output_of_others() -> None:
    ours, other = Network(torch.nn.Linear(2, 2), torch.nn.Softmax(1)), torch.nn.Linear(2, 2)
    x = torch.rand(3, 2)
    assert torch.equal(forward_for(ours, "crossentropyloss")(x), ours[0](x))
    assert torch.equal(forward_for(ours, "nllloss")(x), ours(x))
    assert torch.equal(forward_for(other, "crossentropyloss")(x), other(x))
