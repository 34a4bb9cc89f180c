"""The built network knows its logits from its probabilities."""

from __future__ import annotations

import pytest
import torch

from toolkit.builder.network import Network


def test_logits_leave_the_final_softmax_out() -> None:
    linear = torch.nn.Linear(4, 3)
    network, x = Network(linear, torch.nn.Softmax(1)), torch.rand(5, 4)
    assert network.ends_in_softmax
    torch.testing.assert_close(network.logits(x), linear(x), rtol=0, atol=0)
    torch.testing.assert_close(network(x), network.logits(x).softmax(1), rtol=0, atol=0)


@pytest.mark.parametrize("last", [torch.nn.ReLU(), torch.nn.LogSoftmax(1), torch.nn.Linear(4, 4)])
def test_without_a_final_softmax_logits_are_the_output(last: torch.nn.Module) -> None:
    network, x = Network(torch.nn.Linear(4, 4), torch.nn.Softmax(1), last), torch.rand(5, 4)
    assert not network.ends_in_softmax
    assert torch.equal(network.logits(x), network(x))


def test_an_empty_network_gives_its_input() -> None:
    x = torch.rand(2, 3)
    assert not Network().ends_in_softmax
    assert torch.equal(Network().logits(x), x)
