"""The moving average of the weights."""

from __future__ import annotations

import pytest
import torch
from small_training import numbers, parts, same, settings, small_network, train, weights

from toolkit.data.dataset import Dataset
from toolkit.training.loop.loop import evaluate, fit
from toolkit.training.optimization.ema import averaged


class Counted(torch.nn.Module):
    """A weight, a running mean, and positions that are whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2))
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("positions", torch.arange(3))


def test_it_is_the_formula_and_begins_with_the_first_weights() -> None:
    network = Counted()
    average = averaged(network, 0.9)
    expected = None
    for value in (1.0, 2.0, 5.0):
        with torch.no_grad():
            network.weight.fill_(value)
            network.mean.fill_(-value)
        average.update_parameters(network)
        expected = value if expected is None else 0.9 * expected + 0.1 * value
        torch.testing.assert_close(average.module.weight, torch.full((2,), expected))
        torch.testing.assert_close(average.module.mean, torch.full((2,), -expected))


def test_whole_numbers_are_copied_and_not_averaged() -> None:
    network = Counted()
    average = averaged(network, 0.999)
    for _ in range(50):
        network.positions += 1
        average.update_parameters(network)
        assert torch.equal(average.module.positions, network.positions)


def test_it_follows_without_being_learnt(clusters: Dataset) -> None:
    training = train(small_network(), clusters, settings(ema=0.5))
    assert training.result is not training.network
    assert not same(weights(training.result), weights(training.network))
    assert not any(parameter.requires_grad for parameter in training.result.parameters())
    assert all(parameter.requires_grad for parameter in training.network.parameters())


def test_it_changes_what_is_measured_but_not_what_is_learnt(clusters: Dataset) -> None:
    plain = train(small_network(), clusters, settings())
    with_average = train(small_network(), clusters, settings(ema=0.9))
    assert same(weights(plain.network), weights(with_average.network))
    learnt = [[{name: entry[name] for name in ("loss", "acc")} for entry in t.history] for t in (plain, with_average)]
    assert learnt[0] == learnt[1]
    assert numbers(plain.history) != numbers(with_average.history)


def test_the_validation_measures_the_averaged_weights(clusters: Dataset) -> None:
    batches, validation = parts(clusters)
    for training in fit(small_network(), batches, validation, settings(ema=0.8, epochs=2)):
        found = evaluate(training.result, validation, "CrossEntropyLoss", ("acc",))
        assert training.history[-1]["val_loss"] == pytest.approx(found["loss"])
        other = evaluate(training.network, validation, "CrossEntropyLoss", ("acc",))
        assert training.history[-1]["val_loss"] != pytest.approx(other["loss"])


def test_it_is_updated_once_a_step_and_not_once_a_batch(clusters: Dataset) -> None:
    training = train(small_network(), clusters, settings(ema=0.9, accumulate=2, epochs=1))
    assert int(training.average.n_averaged) == 2  # three batches
