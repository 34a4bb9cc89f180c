"""The loop: it learns, the same seed gives the same weights, every setting takes effect, and what cannot work is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from runtime.errors import SpecError
from toolkit.builder.spec import LayerSpec, NetworkSpec, build
from toolkit.data.augmentation.augment import Augmentation
from toolkit.data.augmentation.crops import Crops
from toolkit.data.augmentation.mix import Mix
from toolkit.data.batching.batches import Batches
from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import load_arrays
from toolkit.data.stores import RowStore
from toolkit.training.loop.evaluation import predict
from toolkit.training.loop.loop import Training, evaluate, fit
from toolkit.training.optimization.class_weights import class_weights
from toolkit.training.optimization.optimizers import OPTIMIZERS
from toolkit.training.settings import Settings

DENSE = (("linear", {"size": 8}, "relu"), ("dropout", {"p": 0.4}, None))

STACK = (*DENSE, ("linear", {"size": 6}, None), ("batchnorm1d", {}, "relu"), ("linear", {"size": 3}, "softmax"))


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


@pytest.mark.parametrize("name", [name for name, entry in OPTIMIZERS.items() if not (entry.sparse or entry.closure)])
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


def test_several_crops_of_each_example_are_averaged(digits: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, labels = digits
    data = load_arrays(pictures[:30, None], labels[:30])
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 10))
    crops = Crops("TenCrop", (6, 6))
    order = Batches(Augmentation((), crops).prepare(data), batch_size=8, crops=crops)
    found = evaluate(module, order, "CrossEntropyLoss", ("acc",))
    outputs, targets = [], []
    for inputs, wanted in order:
        assert inputs.shape[1:] == (10, 1, 6, 6)
        outputs.append(torch.stack([module(crop) for crop in inputs.unbind(1)]).mean(0).detach())
        targets.append(wanted)
    assert torch.allclose(predict(module, order), torch.cat(outputs), atol=1e-6)
    expected = torch.nn.functional.cross_entropy(torch.cat(outputs), torch.cat(targets))
    assert found["loss"] == pytest.approx(float(expected), rel=1e-5)


# ---- settings ------------------------------------------------------------------------------------------------------------


SMOOTH = (("linear", {"size": 8}, "tanh"), ("linear", {"size": 3}, None))


@pytest.mark.parametrize(("size", "accumulate"), [(4, 3), (6, 2), (12, 1), (5, 4), (3, 99)])
def test_accumulated_batches_are_one_large_batch(clusters: Dataset, size: int, accumulate: int) -> None:
    """Also where the last batch, or the last group of batches, is smaller: 44 examples."""
    found = []
    for batch_size, count in ((size, accumulate), (size * accumulate, 1)):
        module = network(clusters, *SMOOTH)
        rows = Batches(clusters, np.arange(44), batch_size=batch_size, shuffle=True, seed=1)
        asked = settings(
            optimizer="sgd", batch_size=batch_size, accumulate=count, clip_norm=0.5, class_weights="balanced"
        )
        *_, training = fit(module, rows, None, asked)
        assert training.schedule.steps == 4 * -(-44 // (size * accumulate))
        found.append((weights(module), training.history[-1]["loss"]))
    for one, other in zip(found[0][0].values(), found[1][0].values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-5)


@pytest.mark.parametrize(("limit", "norm"), [("clip_norm", 2.0), ("clip_value", torch.inf)])
def test_gradients_are_clipped(clusters: Dataset, limit: str, norm: float) -> None:
    """With plain descent at rate 1, a step is the gradient."""
    module = network(clusters, *SMOOTH)
    before = torch.cat([parameter.detach().flatten() for parameter in module.parameters()])
    asked = settings(optimizer={"name": "sgd", "momentum": 0.0}, lr=1.0, epochs=1, **{limit: 0.01})
    list(fit(module, Batches(clusters, batch_size=60), None, asked))
    moved = torch.cat([parameter.detach().flatten() for parameter in module.parameters()]) - before
    assert float(torch.linalg.vector_norm(moved, norm)) == pytest.approx(0.01, rel=1e-3)


def test_balanced_weights_are_those_of_the_training_part() -> None:
    labels = np.array([0] * 12 + [1] * 6 + [2] * 2 + [2] * 10)
    data = load_arrays(np.random.default_rng(0).random((30, 4)), labels)
    part = Batches(data, np.arange(20))
    expected = torch.tensor([20 / (3 * 12), 20 / (3 * 6), 20 / (3 * 2)])
    torch.testing.assert_close(class_weights("balanced", part), expected)
    torch.testing.assert_close(class_weights((1.0, 2.0, 0.5), part), torch.tensor([1.0, 2.0, 0.5]))
    assert class_weights(None, part) is None


def test_classes_may_be_drawn_equally_often() -> None:
    labels = np.array([0] * 40 + [1] * 8)
    data = load_arrays(np.random.default_rng(0).random((48, 4)), labels)
    seen: list[int] = []

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        seen.extend(targets.tolist() if torch.is_grad_enabled() and outputs.grad_fn is not None else [])
        return torch.nn.functional.cross_entropy(outputs, targets)

    module = network(data, ("linear", {"size": 2}, None))
    list(
        fit(module, Batches(data, batch_size=8, shuffle=True), None, settings(sampling="balanced", epochs=1), loss=loss)
    )
    assert np.bincount(seen[-48:]).tolist() == [24, 24]


def test_class_weights_change_what_is_learnt(clusters: Dataset) -> None:
    losses = []
    for setting in (None, "balanced", (5.0, 1.0, 1.0)):
        module = network(clusters, *SMOOTH)
        losses.append(train(module, clusters, settings(class_weights=setting)).history[-1]["loss"])
    assert len(set(losses)) == 3


def test_frozen_layers_stay_with_their_running_statistics(clusters: Dataset) -> None:
    module = network(clusters, *STACK)
    before = weights(module)
    train(module, clusters, settings(freeze=("batchnorm1d4", "linear1")))
    changed = {name.split(".")[0] for name, tensor in weights(module).items() if not torch.equal(tensor, before[name])}
    assert changed == {"linear3", "linear5"}


def test_layers_learn_at_their_own_rates(clusters: Dataset) -> None:
    module = network(clusters, *SMOOTH)
    before = weights(module)
    training = train(module, clusters, settings(rates={"linear1": 0.0}, schedule="cosine"))
    assert torch.equal(before["linear1.weight"], module.state_dict()["linear1.weight"])
    assert not torch.equal(before["linear2.weight"], module.state_dict()["linear2.weight"])
    assert training.history[0]["lr"] == 0.02


def test_the_rate_rises_over_the_warm_up(clusters: Dataset) -> None:
    history = train(network(clusters, *SMOOTH), clusters, settings(warmup=2.0)).history
    rates = [entry["lr"] for entry in history]
    assert rates[0] < rates[1] < rates[2] == rates[3] == 0.02


def test_a_schedule_and_a_loss_of_ones_own_are_functions(clusters: Dataset) -> None:
    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs, targets)

    own = train(network(clusters, *SMOOTH), clusters, settings(), loss=loss, schedule=lambda epoch: 0.5**epoch)
    named = train(network(clusters, *SMOOTH), clusters, settings())
    assert own.history[0]["val_loss"] != named.history[0]["val_loss"]
    assert [entry["lr"] for entry in own.history] == pytest.approx([0.02, 0.01, 0.005, 0.0025])


def test_pictures_may_lie_channels_last(digits: tuple[np.ndarray, np.ndarray]) -> None:
    data = load_arrays(digits[0][:64, None], digits[1][:64])
    layers = (("conv2d", {"size": (1, 4), "kernel_size": 3}, "relu"), ("linear", {"size": 10}, None))
    histories, seen = [], []
    for channels_last in (False, True):
        module = network(data, *layers)
        module[0].register_forward_hook(lambda _module, _inputs, output: seen.append(output.stride(1)))
        histories.append(train(module, data, settings(channels_last=channels_last)).history)
    assert seen[-1] == 1 != seen[0]
    assert histories[0][-1]["loss"] == pytest.approx(histories[1][-1]["loss"], rel=1e-3)


@pytest.mark.slow
def test_a_compiled_network_learns_and_keeps_the_names_of_its_weights(clusters: Dataset) -> None:
    plain, fast = (network(clusters, *SMOOTH) for _ in range(2))
    one = train(plain, clusters, settings())
    other = train(fast, clusters, settings(compile=True))
    assert list(weights(fast)) == list(weights(plain))
    assert other.history[-1]["loss"] == pytest.approx(one.history[-1]["loss"], rel=1e-3)


@pytest.mark.slow
def test_without_a_compiler_it_is_said_what_is_missing(clusters: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._dynamo

    torch._dynamo.reset()
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("/nowhere/g++",))
    module = network(clusters, ("linear", {"size": 7}, "gelu"), ("linear", {"size": 3}, None))
    with pytest.raises(SpecError, match=r"torch.compile failed: .* It needs a C\+\+ compiler such as g\+\+"):
        train(module, clusters, settings(compile=True))
    torch._dynamo.reset()


def test_what_is_not_reproducible_is_refused_on_request(clusters: Dataset) -> None:
    class Unsteady(torch.nn.Module):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            if self.training:
                torch.zeros(3).put_(torch.tensor([0, 0]), torch.ones(2))
            return input

    layers = torch.nn.Sequential(Unsteady(), torch.nn.Linear(4, 3))
    train(layers, clusters, settings(epochs=1))
    with pytest.raises(
        SpecError, match="deterministic=True was given, but the network needs an operation that is not: "
    ):
        train(layers, clusters, settings(epochs=1, deterministic=True))
    assert not torch.are_deterministic_algorithms_enabled()


def test_reproducible_training_learns_the_same(clusters: Dataset) -> None:
    plain, steady = (network(clusters, *STACK) for _ in range(2))
    train(plain, clusters, settings())
    train(steady, clusters, settings(deterministic=True))
    assert same(weights(plain), weights(steady))


def test_an_optimiser_with_a_closure_takes_the_whole_set_at_once(clusters: Dataset) -> None:
    module = network(clusters, *SMOOTH)
    asked = settings(optimizer="lbfgs", lr=0.5, clip_value=10.0)
    histories = [training.history for training in fit(module, Batches(clusters, batch_size=60), None, asked)]
    losses = [entry["loss"] for entry in histories[-1]]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.6 * losses[0]  # the first is measured before the first step
    with pytest.raises(
        SpecError, match="computes the loss several times a step, which does not go together with accumulate=2"
    ):
        train(module, clusters, settings(optimizer="lbfgs", accumulate=2))


# ---- kinds of data -------------------------------------------------------------------------------------------------------


def with_targets(data: Dataset, task: Any, targets: np.ndarray, **changes: Any) -> Dataset:
    return replace(data, task=task, targets=targets, **changes)


def test_several_labels_an_example(clusters: Dataset) -> None:
    wanted = np.stack([clusters.targets != 0, clusters.targets == 2], 1).astype(np.float32)
    data = with_targets(clusters, "multilabel", wanted, labels=("a", "b"))
    module = network(data, ("linear", {"size": 2}, "sigmoid"))
    asked = settings(loss="BCELoss", metrics=("acc", "f1"), class_weights="balanced", epochs=15, lr=0.1)
    history = train(module, data, asked).history
    assert history[-1]["val_acc"] > 0.75
    assert class_weights("balanced", Batches(data)).tolist() == pytest.approx([20 / 40, 40 / 20])


def test_a_class_at_each_position_where_some_have_none() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(60, 5, 4)).astype(np.float32)
    wanted = (rows.sum(-1) > 0).astype(np.int64)
    wanted[:, 4] = -100
    wanted[7] = -100
    data = replace(load_arrays(rows, np.arange(60) % 2), task="dense", targets=wanted, labels=("no", "yes"))
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    history = train(module, data, settings(epochs=20, accumulate=2, class_weights="balanced")).history
    assert history[-1]["val_acc"] > 0.9


@pytest.mark.parametrize(("views", "loss"), [(2, "CosineEmbeddingLoss"), (3, "TripletMarginLoss")])
def test_pairs_and_triplets(views: int, loss: str) -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(60, views, 4)).astype(np.float32)
    targets = np.where(np.arange(60) % 2, 1, -1).astype(np.float32) if views == 2 else np.zeros(60, np.float32)
    card = load_arrays(rows[:, 0], np.arange(60)).card
    data = Dataset("embedding", card, RowStore(rows), targets, (), "test", views)
    module = torch.nn.Sequential(torch.nn.Linear(4, 3))
    metrics = ("recall_at",) if views == 3 else ()
    history = train(module, data, settings(loss=loss, metrics=metrics, epochs=6)).history
    assert history[-1]["loss"] < history[0]["loss"]
    assert ("val_recall_at" in history[0]) == (views == 3)


def test_a_network_with_its_own_loss_needs_no_targets(clusters: Dataset) -> None:
    class Mean(torch.nn.Module):
        has_own_loss = True

        def __init__(self) -> None:
            super().__init__()
            self.guess = torch.nn.Parameter(torch.zeros(4))

        def training_loss(self, inputs: torch.Tensor) -> torch.Tensor:
            return (inputs - self.guess).square().mean()

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.guess.expand_as(inputs)

    module = Mean()
    train(module, clusters, settings(epochs=60, lr=0.1, metrics=()))
    torch.testing.assert_close(module.guess, torch.from_numpy(clusters.inputs.raw())[:44].mean(0), atol=0.1, rtol=0.1)


def test_mixed_examples_have_soft_targets(digits: tuple[np.ndarray, np.ndarray]) -> None:
    data = load_arrays(digits[0][:64, None], digits[1][:64])
    module = network(data, ("linear", {"size": 10}, "softmax"))
    order = Batches(data, batch_size=16, shuffle=True, seed=1, mix=Mix.from_setting({"MixUp": {"alpha": 0.4}}))
    *_, training = fit(module, order, Batches(data), settings(epochs=6))
    assert training.history[-1]["val_loss"] < training.history[0]["val_loss"]
    with pytest.raises(SpecError, match="mixed examples have shares of several classes"):
        next(fit(network(data, ("linear", {"size": 10}, "softmax")), order, None, settings(loss="NLLLoss")))


# ---- what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizer": "adm"}, "There is no optimiser 'adm'. Did you mean"),
        ({"loss": "crossentropi"}, "There is no loss 'crossentropi'. Did you mean 'CrossEntropyLoss'?"),
        ({"loss": "CTCLoss"}, "The loss 'CTCLoss' does not fit classification"),
        ({"schedule": "cosin"}, "There is no schedule 'cosin'. Did you mean 'cosine'"),
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
