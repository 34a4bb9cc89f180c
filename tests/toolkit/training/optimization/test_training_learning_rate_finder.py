"""The learning-rate finder: it finds a rate that learns, and leaves everything as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from runtime.card import ArrayInput
from runtime.errors import SpecError
from toolkit.builder.network import Network
from toolkit.data.batching.batches import Batches
from toolkit.data.dataset import Dataset
from toolkit.data.stores import RowStore
from toolkit.training.checkpoints.checkpoint import random_state
from toolkit.training.optimization.learning_rate_finder import find_learning_rate
from toolkit.training.settings import Settings


def batches() -> Batches:
    """64 rows in three classes that overlap a little, in eight batches."""
    random = np.random.default_rng(0)
    labels = np.arange(64) % 3
    rows = random.normal(labels[:, None] * [1.5, -1.0, 0.5, 0.0], 0.5, (64, 4)).astype(np.float32)
    data = Dataset("classification", ArrayInput("input", (4,)), RowStore(rows), labels, ("a", "b", "c"), "test")
    return Batches(data, batch_size=8, shuffle=True, seed=1)


def network() -> Network:
    torch.manual_seed(0)
    return Network(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3), nn.Softmax(1))


def settings(**changes: Any) -> Settings:
    return Settings(**{"optimizer": "sgd", "loss": "CrossEntropyLoss", "metrics": (), "seed": 0, **changes})


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adam", "rates": {"0": 0.1}, "freeze": ("1",)},
        {
            "optimizer": {"name": "adamw", "betas": [0.8, 0.99]},
            "clip_norm": 1.0,
            "clip_value": 0.5,
            "class_weights": "balanced",
        },
    ],
)
def test_the_rate_learns_and_everything_is_as_it_was(changes: dict[str, Any]) -> None:
    module, source = network(), batches()
    ahead = next(iter(batches().epoch(3)))
    for _ in range(3):
        list(source)
    module[4].eval()
    module[0].weight.requires_grad_(False)
    module[4].weight.grad = torch.ones(3, 16)
    gradient = module[4].weight.grad
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    random = random_state()
    found = find_learning_rate(module, source, settings(**changes))
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert same(random_state(), random)
    assert same(next(iter(source)), ahead)
    assert not module[0].weight.requires_grad and module[1].weight.requires_grad
    assert module[4].weight.grad is gradient and module[0].bias.grad is None
    assert [part.training for part in module] == [True, True, True, True, False, True]

    assert found == find_learning_rate(module, source, settings(**changes))
    assert len(found.rates) == len(found.losses) <= 100
    assert found.rates[0] == pytest.approx(1e-7)
    steps = np.diff(np.log(found.rates))
    assert steps == pytest.approx(np.log(1e8) / 99)
    assert found.suggestion in found.rates
    assert 1e-4 < found.suggestion < 3
    assert found.png().startswith(b"\x89PNG")


def test_a_function_is_followed_and_a_narrow_range_kept_to() -> None:
    calls = []

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        calls.append(len(targets))
        return nn.functional.nll_loss(outputs.log(), targets)

    found = find_learning_rate(network(), batches(), settings(), start=1e-3, end=0.1, steps=20, loss=loss)
    assert found.rates[-1] == pytest.approx(0.1)
    assert calls.count(8) == 20


@pytest.mark.parametrize(
    ("changes", "arguments", "words"),
    [
        ({}, {"start": 1.0, "end": 0.1}, "start=1 and end=0.1 were given; two rates above 0, the lower one first"),
        ({}, {"start": 0.0}, "two rates above 0"),
        ({}, {"steps": 5}, "steps=5 was given; a whole number of at least 20"),
        ({"optimizer": "lbfgs"}, {}, "searches along a line by itself"),
        ({}, {"start": 1e12, "end": 1e15}, "The loss broke out after"),
        ({}, {"start": 1e-30, "end": 1e-29}, "The loss fell at no rate from 1e-30"),
        ({"loss": "CTC"}, {}, "does not fit classification"),
        ({"freeze": ("*",)}, {}, "no weights to learn"),
    ],
)
def test_what_cannot_be_done_is_told(changes: dict[str, Any], arguments: dict[str, Any], words: str) -> None:
    module = network()
    module[3].p = 0.0
    source = batches()
    if "1e-30" in words:  # every batch is the same, so the loss stays exactly where it is
        source = Batches(source.data, batch_size=64)
    with pytest.raises(SpecError) as caught:
        find_learning_rate(module, source, settings(**changes), **arguments)
    assert words in str(caught.value)
    assert all(parameter.requires_grad for parameter in module.parameters())
