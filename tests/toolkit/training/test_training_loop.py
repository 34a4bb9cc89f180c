"""The loop: it learns, the same seed gives the same weights, and a resumed training is the uninterrupted one, bit for bit."""

from __future__ import annotations

import copy
import io
from typing import Any

import numpy as np
import pytest
import torch

from runtime.errors import CheckpointError, SpecError
from toolkit.builder.spec import LayerSpec, NetworkSpec, build
from toolkit.data.arrays import load_arrays
from toolkit.data.batches import Batches
from toolkit.data.dataset import Dataset
from toolkit.training.loop import Training, evaluate, fit
from toolkit.training.optimizers import OPTIMIZERS
from toolkit.training.schedules import SCHEDULES
from toolkit.training.settings import Settings

DENSE = (("linear", {"size": 8}, "relu"), ("dropout", {"p": 0.4}, None))


def network(data: Dataset, *layers: Any, seed: int = 1) -> torch.nn.Module:
    entries = tuple(LayerSpec.parse(*layer, position) for position, layer in enumerate(layers, start=1))
    torch.manual_seed(seed)
    return build(NetworkSpec(data.shape, entries))


def settings(task: str = "classification", **changes: Any) -> Settings:
    loss, metrics = ("CrossEntropyLoss", ("acc",)) if task == "classification" else ("MSELoss", ("mae", "r2"))
    return Settings(
        **{"optimizer": "adam", "loss": loss, "metrics": metrics, "seed": 1, "epochs": 4, "lr": 0.02, **changes}
    )


def batches(data: Dataset, part: slice = slice(None), shuffle: bool = True, size: int = 16) -> Batches:
    return Batches(data, np.arange(len(data))[part], batch_size=size, shuffle=shuffle, seed=1)


def train(module: torch.nn.Module, data: Dataset, asked: Settings, **arguments: Any) -> Training:
    torch.manual_seed(asked.seed)
    steps = list(fit(module, batches(data, slice(0, 44)), batches(data, slice(44, None), False), asked, **arguments))
    return steps[-1]


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def numbers(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in history]


# ---- learning ------------------------------------------------------------------------------------------------------------


def test_a_network_ending_in_softmax_learns_exactly_as_one_ending_in_logits(clusters: Dataset) -> None:
    with_softmax = network(clusters, *DENSE, ("linear", {"size": 3}, "softmax"))
    with_logits = network(clusters, *DENSE, ("linear", {"size": 3}, None))
    histories = [train(module, clusters, settings(epochs=10)).history for module in (with_softmax, with_logits)]
    assert same(weights(with_softmax), weights(with_logits))
    assert numbers(histories[0]) == numbers(histories[1])
    assert histories[0][-1]["val_acc"] >= 0.8
    torch.testing.assert_close(with_softmax.eval()(torch.ones(1, 4)).sum(), torch.tensor(1.0))


def test_logsoftmax_with_nll_learns_as_cross_entropy_does(clusters: Dataset) -> None:
    plain = network(clusters, *DENSE, ("linear", {"size": 3}, None))
    logarithms = network(clusters, *DENSE, ("linear", {"size": 3}, "logsoftmax"))
    train(plain, clusters, settings(epochs=10))
    train(logarithms, clusters, settings(epochs=10, loss="NLL"))
    for one, other in zip(weights(plain).values(), weights(logarithms).values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("loss", ["MSELoss", "l1", "SmoothL1Loss", "huber"])
def test_a_regression_learns_with_every_loss(line: Dataset, loss: str) -> None:
    module = network(line, ("linear", {"size": 1}, None))
    training = train(module, line, settings("regression", loss=loss, epochs=60, lr=0.1))
    assert training.history[-1]["val_r2"] > 0.99
    assert training.history[-1]["val_mae"] < 0.1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_lowers_the_loss_at_its_usual_rate(clusters: Dataset, name: str) -> None:
    module = network(clusters, ("linear", {"size": 3}, None))
    history = train(module, clusters, settings(optimizer=name, lr=None, epochs=12)).history
    assert history[-1]["val_loss"] < history[0]["val_loss"]


def test_the_same_seed_gives_the_same_weights_and_another_one_others(clusters: Dataset) -> None:
    found = []
    for seed in (1, 1, 2):
        module = network(clusters, *DENSE, ("linear", {"size": 3}, "softmax"))
        train(module, clusters, settings(seed=seed))
        found.append(weights(module))
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


def test_a_network_that_was_used_before_is_trained_in_training_mode(clusters: Dataset) -> None:
    fresh, used = (network(clusters, *STACK) for _ in range(2))
    for module in (fresh, used.eval()):
        train(module, clusters, settings())
    assert same(weights(fresh), weights(used))


def test_the_history_holds_an_entry_an_epoch(clusters: Dataset) -> None:
    module = network(clusters, ("linear", {"size": 3}, "softmax"))
    history = train(module, clusters, settings(schedule="cosine", metrics=("acc", "mae"))).history
    assert [entry["epoch"] for entry in history] == [0, 1, 2, 3]
    assert list(history[0]) == ["epoch", "loss", "acc", "mae", "val_loss", "val_acc", "val_mae", "lr", "seconds"]
    rates = [entry["lr"] for entry in history]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 0.02
    assert all(type(value) in (int, float) for entry in history for value in entry.values())


def test_the_best_epoch_is_the_most_accurate_then_the_one_of_the_least_loss(clusters: Dataset) -> None:
    module = network(clusters, *DENSE, ("linear", {"size": 3}, None))
    torch.manual_seed(0)
    marks = []
    for training in fit(
        module, batches(clusters, slice(0, 44)), batches(clusters, slice(44, None), False), settings(epochs=12, lr=0.3)
    ):
        marks.append((training.is_best, dict(training.best)))
        ranked = [(entry["val_acc"], -entry["val_loss"]) for entry in training.history]
        assert training.best == training.history[ranked.index(max(ranked))]
    assert marks[0][0]
    assert any(not is_best for is_best, _ in marks)


def test_without_a_validation_part_the_training_part_decides(clusters: Dataset) -> None:
    module = network(clusters, ("linear", {"size": 3}, None))
    *_, training = fit(module, batches(clusters), None, settings())
    assert "val_loss" not in training.history[0]
    assert training.best == max(training.history, key=lambda entry: (entry["acc"], -entry["loss"]))


def test_batches_are_counted_for_the_progress(clusters: Dataset) -> None:
    seen: list[int] = []
    module = network(clusters, ("linear", {"size": 3}, None))
    train(module, clusters, settings(epochs=2), on_batch=seen.append)
    assert seen == [1, 2, 3, 1, 2, 3]


# ---- measuring -----------------------------------------------------------------------------------------------------------


def test_evaluation_is_the_mean_over_the_examples_in_evaluation_mode(clusters: Dataset) -> None:
    module = network(clusters, *DENSE, ("linear", {"size": 3}, "softmax")).train()
    found = evaluate(module, batches(clusters, shuffle=False, size=7), "crossentropyloss", ("acc",))
    assert module.training
    inputs, targets = next(iter(batches(clusters, shuffle=False, size=60)))
    with torch.no_grad():
        probabilities = module.eval()(inputs)
    expected = float(-probabilities[torch.arange(60), targets].log().mean())
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert found["acc"] == pytest.approx(float((probabilities.argmax(1) == targets).float().mean()))


def test_evaluation_changes_nothing(clusters: Dataset) -> None:
    module = network(
        clusters, ("linear", {"size": 6}, None), ("batchnorm1d", {}, "relu"), ("linear", {"size": 3}, None)
    )
    before = weights(module)
    evaluate(module, batches(clusters, shuffle=False), "crossentropyloss", ("acc",))
    assert same(weights(module), before)


# ---- resuming ------------------------------------------------------------------------------------------------------------


def saved(training: Training) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """State and weights, through a file as a checkpoint does it."""
    buffer = io.BytesIO()
    torch.save((training.state(), training.network.state_dict()), buffer)
    buffer.seek(0)
    state, tensors = torch.load(buffer, weights_only=True)
    return state, tensors


def resumed(data: Dataset, layers: Any, asked: Settings, after: int) -> tuple[Training, Training]:
    """(the uninterrupted training, the one that was stopped after `after` epochs and resumed in a fresh network)."""
    whole_network = network(data, *layers)
    torch.manual_seed(asked.seed)
    parts = batches(data, slice(0, 44)), batches(data, slice(44, None), False)
    for whole in fit(whole_network, *parts, asked):
        if len(whole.history) == after:
            state, tensors = saved(whole)
    fresh = network(data, *layers, seed=77)
    fresh.load_state_dict(tensors)
    torch.manual_seed(99)
    parts = batches(data, slice(0, 44)), batches(data, slice(44, None), False)
    *_, again = fit(fresh, *parts, asked, resume=state)
    return whole, again


def assert_same_training(whole: Training, again: Training) -> None:
    assert same(weights(whole.network), weights(again.network))
    assert numbers(whole.history) == numbers(again.history)
    assert numbers([whole.best]) == numbers([again.best])


STACK = (*DENSE, ("linear", {"size": 6}, None), ("batchnorm1d", {}, "relu"), ("linear", {"size": 3}, "softmax"))


@pytest.mark.parametrize("after", [1, 2, 3, 4, 5])
def test_a_training_resumed_after_any_epoch_is_the_uninterrupted_one(clusters: Dataset, after: int) -> None:
    assert_same_training(*resumed(clusters, STACK, settings(epochs=6, schedule="onecycle"), after))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_resumed_training_keeps_its_optimiser_and_schedule(clusters: Dataset, optimizer: str, schedule: str) -> None:
    asked = settings(optimizer=optimizer, schedule=schedule, lr=None, weight_decay=0.01)
    assert_same_training(*resumed(clusters, STACK, asked, 2))


def test_a_resumed_regression_is_the_uninterrupted_one(line: Dataset) -> None:
    assert_same_training(*resumed(line, (*DENSE, ("linear", {"size": 1}, None)), settings("regression"), 2))


@pytest.mark.parametrize("key", ["optimizer", "schedule", "history", "best", "random"])
@pytest.mark.parametrize("junk", [None, 5, "x", [1], {"a": 1}, torch.ones(2)])
def test_a_damaged_state_is_a_checkpoint_error(clusters: Dataset, key: str, junk: Any) -> None:
    module = network(clusters, ("linear", {"size": 3}, None))
    state = copy.deepcopy(train(module, clusters, settings(epochs=1)).state())
    with pytest.raises(CheckpointError, match="was damaged or changed by hand"):
        train(module, clusters, settings(epochs=2), resume={**state, key: junk})


# ---- what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizer": "adm"}, "There is no optimiser 'adm'. Did you mean"),
        ({"loss": "crossentropi"}, "There is no loss 'crossentropi'. Did you mean 'crossentropyloss'?"),
        ({"loss": "MSELoss"}, "The loss 'MSELoss' does not fit classification"),
        ({"schedule": "linear"}, "There is no schedule 'linear'."),
    ],
)
def test_a_wrong_name_is_refused_before_training(clusters: Dataset, changes: dict[str, Any], words: str) -> None:
    module = network(clusters, ("linear", {"size": 3}, None))
    before = weights(module)
    with pytest.raises(SpecError) as caught:
        train(module, clusters, settings(**changes))
    assert words in str(caught.value)
    assert same(weights(module), before)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_loss_that_is_no_number_any_more_names_the_rate_and_a_smaller_one(
    clusters: Dataset, line: Dataset, task: str
) -> None:
    data = clusters if task == "classification" else line
    outputs = 3 if task == "classification" else 1
    module = network(data, ("linear", {"size": 8}, None), ("linear", {"size": outputs}, None))
    with pytest.raises(
        SpecError, match=r"The loss became (nan|inf) in epoch \d+ with lr=1e\+30. Use a smaller learning rate"
    ):
        train(module, data, settings(task, optimizer="sgd", lr=1e30))


def test_batch_normalisation_over_a_single_left_over_example_is_explained() -> None:
    data = load_arrays(np.random.default_rng(0).random((33, 4)), np.arange(33) % 3)
    module = network(data, ("linear", {"size": 8}, None), ("batchnorm1d", {}, None), ("linear", {"size": 3}, None))
    with pytest.raises(SpecError, match=r"cannot learn from batch 2 with 1 of the 33 examples.*Choose a batch_size"):
        list(fit(module, Batches(data, batch_size=32), None, settings()))
    assert len(list(fit(module, Batches(data, batch_size=11), None, settings(epochs=1)))) == 1
