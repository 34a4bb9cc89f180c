"""Listening to layers."""

from __future__ import annotations

import pytest
import torch

from runtime.errors import SpecError
from toolkit.builder.network import Network
from toolkit.explain.hooks import find_layers, first_tensor, record, record_calls


def hooks(network: torch.nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules())


def test_outputs_are_kept_by_path_in_the_order_of_execution(lenet: Network, digit: torch.Tensor) -> None:
    with record(lenet, ["*pool*", "lenet1.conv1"]) as outputs:
        lenet(digit)
    assert list(outputs) == ["lenet1.conv1", "lenet1.pool1", "lenet1.pool2"]
    assert outputs["lenet1.pool2"].shape == (1, 16, 5, 5)
    assert not outputs["lenet1.pool2"].requires_grad
    first = torch.nn.functional.conv2d(digit, lenet[0].conv1.weight, lenet[0].conv1.bias, padding=2)
    torch.testing.assert_close(outputs["lenet1.conv1"], first)


def test_hooks_are_gone_afterwards_also_after_an_error(lenet: Network, digit: torch.Tensor) -> None:
    with pytest.raises(KeyError), record(lenet), record_calls(lenet, torch.nn.Linear):
        assert hooks(lenet) > 0
        raise KeyError
    assert hooks(lenet) == 0


def test_unknown_names_suggest(lenet: Network) -> None:
    with pytest.raises(SpecError, match=r"no layer 'lenet1.conv9'. Did you mean .*'lenet1.conv1'"):
        find_layers(lenet, "lenet1.conv9")
    with pytest.raises(SpecError, match="no layer 'gru"), record(lenet, "gru*"):
        pass
    assert hooks(lenet) == 0


def test_a_path_that_exists_is_no_pattern() -> None:
    network = torch.nn.Sequential()
    network.add_module("a[1]", torch.nn.ReLU())
    network.add_module("a1", torch.nn.ReLU())
    assert find_layers(network, "a[1]") == ["a[1]"]
    assert find_layers(network, ["a1", "a*"]) == ["a[1]", "a1"]


def test_layers_of_several_outputs_give_their_first() -> None:
    lstm = torch.nn.Sequential(torch.nn.LSTM(3, 5, batch_first=True))
    with record(lstm, "0") as outputs:
        lstm(torch.zeros(2, 4, 3))
    assert outputs["0"].shape == (2, 4, 5)
    assert first_tensor({"a": None, "b": [(), (torch.ones(2),)]}).tolist() == [1, 1]  # type: ignore[union-attr]
    assert first_tensor("none") is None


def test_operations_in_place_change_nothing_that_was_recorded() -> None:
    layers = torch.nn.Sequential(torch.nn.Identity(), torch.nn.ReLU(inplace=True))
    for gradients in (False, True):
        with record(layers, gradients=gradients) as outputs:
            layers(torch.tensor([[-1.0, 2.0]]))
        assert outputs["0"].tolist() == [[-1, 2]]
        assert outputs["1"].tolist() == [[0, 2]]


def test_gradients_can_be_asked_for_even_of_frozen_networks(lenet: Network, digit: torch.Tensor) -> None:
    for frozen in (False, True):
        lenet.requires_grad_(not frozen)
        with record(lenet, "lenet1.relu2", gradients=True) as outputs:
            score = lenet.logits(digit)[0, 3]
        (gradient,) = torch.autograd.grad(score, outputs["lenet1.relu2"])
        assert gradient.shape == (1, 16, 10, 10)
        assert gradient.abs().sum() > 0


def test_a_shared_layer_gives_every_call_or_its_last() -> None:
    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.twofold = torch.nn.Linear(1, 1, bias=False)
            torch.nn.init.constant_(self.twofold.weight, 2.0)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.twofold(self.twofold(input=x))

    network = Twice()
    with record(network) as outputs, record_calls(network, torch.nn.Linear) as calls:
        network(torch.ones(1, 1))
    assert outputs["twofold"].item() == 4
    assert [(call.name, call.input.item(), call.output.item()) for call in calls] == [
        ("twofold", 1, 2),
        ("twofold", 2, 4),
    ]
