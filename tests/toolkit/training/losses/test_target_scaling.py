"""Targets of a regression are scaled in training, and everything that is said of them is in the data's units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import exporters
import runtime
from runtime.errors import CheckpointError, InputError, ToolkitError
from toolkit import nn
from toolkit.builder.target_scaling import TargetScaling
from toolkit.training.checkpoints.checkpoint import Checkpoint

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(240, 3)).astype(np.float32)
PRICES = 250_000 + 80_000 * X[:, 0] - 30_000 * X[:, 1] * X[:, 2]
TWO = np.stack([1e-3 * X[:, 0], 5e3 + 1e4 * X[:, 1]], 1)


def network(folder: Path, y: np.ndarray, *, last: Any = None, outputs: int | None = None, **loading: Any) -> nn:
    model = nn("reg", folder)
    model.set_seed(0)
    model.load_dataset(X, y, **{"train_val_ratio": 0.75, **loading})
    model.add("linear", size=(3, 24), activation="relu")
    width = outputs or (1 if y.ndim == 1 else y.shape[1])
    model.add("linear", size=(24, width), activation=last)
    return model


def determination(found: np.ndarray, y: np.ndarray) -> np.ndarray:
    y = y.reshape(len(y), -1)
    return 1 - np.square(found - y).sum(0) / np.square(y - y.mean(0)).sum(0)


@pytest.mark.parametrize(
    "y", [PRICES, TWO, 2000 + X[:, 0], 1e6 + X[:, 0], 1e-6 * X[:, 0]], ids=lambda y: f"{y.mean():g}"
)
def test_targets_of_any_size_are_learnt(tmp_path: Path, y: np.ndarray) -> None:
    model = network(tmp_path, y)
    history = model.train(lr=0.01, epochs=60, verbose=False, metrics=["mse", "r2"])
    assert (determination(model.inference(X), y) > 0.8).all()
    if abs(y.mean()) < 1e5 * y.std():  # there the squares are mostly the rounding of float32
        assert history[-1]["val_loss"] == pytest.approx(history[-1]["val_mse"], rel=1e-3)  # both in the data's units


@pytest.mark.parametrize("loss", ["L1Loss", "SmoothL1Loss", {"name": "HuberLoss", "delta": 0.5}, "GaussianNLLLoss"])
def test_the_other_losses_of_numbers_learn_from_scaled_targets(tmp_path: Path, loss: Any) -> None:
    model = network(tmp_path, PRICES, outputs=2 if loss == "GaussianNLLLoss" else 1)
    history = model.train(lr=0.01, epochs=80, verbose=False, loss=loss, metrics=["mae", "r2"])
    assert history[-1]["val_r2"] > 0.8
    if loss == "L1Loss":
        assert history[-1]["val_loss"] == pytest.approx(history[-1]["val_mae"], rel=1e-4)


def test_means_and_variances_are_in_the_units_of_the_data(tmp_path: Path) -> None:
    y = PRICES + 5_000 * RANDOM.normal(size=len(X))
    model = network(tmp_path, y, outputs=2)
    history = model.train(lr=0.01, epochs=100, verbose=False, loss="GaussianNLLLoss")
    found = model.inference(X)
    means, variances = found["values"], found["variances"]
    assert determination(means, y) > 0.8
    assert 3_000 < float(np.sqrt(np.median(variances))) < 50_000
    rows = model.batches[1].indices
    expected = torch.nn.GaussianNLLLoss()(
        torch.from_numpy(means[rows]), torch.tensor(y[rows, None]).float(), torch.from_numpy(variances[rows])
    )
    assert history[-1]["val_loss"] == pytest.approx(float(expected), rel=1e-3)
    exporters.export(tmp_path / "last.pth", tmp_path / "n.onnx")
    file = runtime.load(tmp_path / "n.onnx").run({"input": X})
    np.testing.assert_allclose(file["variances"], variances, rtol=1e-4)
    np.testing.assert_allclose(file["values"], means, rtol=1e-5)


@pytest.mark.parametrize("values", [1e-12, 1e-4, 0.05, 0.0999, 0.1001, 1.0, 30.0, 1e6, 1e10])
def test_a_scaled_variance_is_exact(values: float) -> None:
    scaling = TargetScaling([0.0], [2.0], "means and variances")
    spread = torch.tensor([[0.0, float(np.log(np.expm1(values))) if values < 30 else values]])
    found = torch.nn.functional.softplus(scaling(spread)[:, 1]).item()
    assert found == pytest.approx(4 * torch.nn.functional.softplus(spread[:, 1]).item(), rel=2e-6)


@pytest.mark.parametrize("last", ["relu", "sigmoid", "softplus", "tanh"])
def test_a_network_that_bounds_its_outputs_takes_the_targets_as_they_are(tmp_path: Path, last: str) -> None:
    model = network(tmp_path, np.abs(X[:, 0]) / 4, last=last)
    model.train(lr=0.01, epochs=3, verbose=False)
    assert model.model.target_scaling is None
    assert (model.inference(X) >= (-1 if last == "tanh" else 0)).all()


class Own(torch.nn.Module):
    def __init__(self, bounded: bool) -> None:
        super().__init__()
        self.layer, self.bounded = torch.nn.Linear(3, 1), bounded

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.softplus(self.layer(x)) if self.bounded else self.layer(x)


@pytest.mark.parametrize("bounded", [False, True])
def test_what_a_module_of_ones_own_does_last_is_seen(tmp_path: Path, bounded: bool) -> None:
    model = nn("reg", tmp_path)
    model.load_dataset(X, PRICES)
    model.add(Own, bounded=bounded)
    model.plan()
    assert (model.model.target_scaling is None) == bounded


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        ("PoissonNLLLoss", RANDOM.poisson(300, 240)),
        (lambda outputs, targets: (outputs - targets).square().mean(), PRICES),
        ("MarginRankingLoss", PRICES),
    ],
    ids=["counts", "function", "ranks"],
)
def test_losses_that_need_the_targets_as_they_are_get_them(tmp_path: Path, loss: Any, y: np.ndarray) -> None:
    model = network(tmp_path, y)
    history = model.train(lr=0.01, epochs=2, verbose=False, loss=loss)
    assert model.model.target_scaling is None
    assert np.isfinite(history[-1]["loss"])


def test_scaling_can_be_left_out(tmp_path: Path) -> None:
    model = network(tmp_path, PRICES, scale_targets=False)
    model.train(epochs=1, verbose=False)
    assert model.model.target_scaling is None
    assert "to_units.mean" not in Checkpoint.load(tmp_path / "last.pth").state_dict
    with pytest.raises(ToolkitError, match="scale_targets"):
        network(tmp_path, PRICES, scale_targets="no")


def test_mean_and_deviation_are_of_the_training_part(tmp_path: Path) -> None:
    model = network(tmp_path, TWO)
    model.plan()
    rows = TWO[model.batches[0].indices]
    scaling = model.model.target_scaling
    assert scaling is not None
    np.testing.assert_allclose(scaling.mean, rows.mean(0), rtol=1e-6)
    np.testing.assert_allclose(scaling.std, rows.std(0), rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 240])
def test_constant_targets_and_a_single_row(tmp_path: Path, rows: int) -> None:
    model = nn("reg", tmp_path)
    model.load_dataset(X[:rows], np.full(rows, 7e5))
    model.add("linear", size=(3, 1))
    model.train(epochs=60, lr=0.05, verbose=False)
    np.testing.assert_allclose(model.inference(X[:rows]), 7e5, rtol=1e-5)


def test_targets_that_float32_does_not_tell_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Subtract a fixed number"):
        network(tmp_path, 1e9 + X[:, 0].astype(np.float64))
    network(tmp_path, np.full(240, 0.1) + 1e-17)  # equal but for rounding


def test_weights_alone_reproduce_the_values(tmp_path: Path) -> None:
    model = network(tmp_path, PRICES)
    model.train(lr=0.01, epochs=20, verbose=False)
    expected = model.inference(X)
    again = nn("reg", tmp_path)
    again.load(tmp_path / "basenn.pth")
    np.testing.assert_array_equal(again.inference(X), expected)
    for data in (PRICES, 1e3 * TWO[:, 0]):  # loaded into a network of other data: they say what they said
        other = network(tmp_path / "other", data)
        other.load_weights(tmp_path / "basenn.pth")
        np.testing.assert_array_equal(other.inference(X), expected)
        other.plan()
        np.testing.assert_allclose(other.inference(X), expected, rtol=1e-5)
    empty = nn("reg", tmp_path / "empty", input_shape=(3,))
    empty.add("linear", size=(3, 24), activation="relu")
    empty.add("linear", size=(24, 1))
    empty.load_weights({f"module.{key}": value for key, value in model.model.state_dict().items()})
    with torch.no_grad():
        np.testing.assert_allclose(empty.model(torch.from_numpy(X)), expected)


def test_weights_of_unscaled_values_say_what_they_said(tmp_path: Path) -> None:
    old = network(tmp_path / "old", PRICES, scale_targets=False)
    old.train(lr=0.01, epochs=3, verbose=False)
    expected = old.inference(X)
    new = network(tmp_path / "new", PRICES)
    new.plan()
    new.load_weights(tmp_path / "old" / "basenn.pth")
    np.testing.assert_array_equal(new.inference(X), expected)
    new.plan()  # the training's scaling is taken up by the last layer
    assert new.model.target_scaling is not None
    np.testing.assert_allclose(new.inference(X), expected, rtol=1e-4, atol=1)
    by_hand = network(tmp_path / "hand", PRICES)
    by_hand.model.load_state_dict(Checkpoint.load(tmp_path / "old" / "basenn.pth").state_dict)
    by_hand.plan()
    np.testing.assert_allclose(by_hand.inference(X), expected, rtol=1e-4, atol=1)


def test_transfer_to_other_data_and_to_another_number_of_targets(tmp_path: Path) -> None:
    model = network(tmp_path, PRICES)
    model.train(lr=0.01, epochs=30, verbose=False)
    for y, head in ((PRICES / 1e3, False), (TWO, True)):
        other = nn("reg", tmp_path / "other")
        other.load(tmp_path / "basenn.pth")
        if head:
            other.change_head(2)
        other.load_dataset(X, y)
        other.train(lr=0.01, epochs=150, verbose=False)
        assert (determination(other.inference(X), y) > 0.8).all()
        again = nn("reg")
        again.load(tmp_path / "other" / "basenn.pth")
        np.testing.assert_array_equal(again.inference(X), other.inference(X))


def test_a_layer_added_after_a_training_is_scaled_anew(tmp_path: Path) -> None:
    model = network(tmp_path, PRICES)
    model.train(lr=0.01, epochs=2, verbose=False)
    model.add("linear", size=(1, 1))
    model.train(lr=0.01, epochs=2, verbose=False)
    assert [name for name, _ in model.model.named_children()][-2:] == ["linear3", "to_units"]


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}, {"accumulate": 2}, {"optimizer": "LBFGS"}], ids=str)
def test_a_training_is_resumed_bit_for_bit(tmp_path: Path, settings: dict[str, Any]) -> None:
    optimizer = settings.pop("optimizer", None)
    results = []
    for name, epochs in (("whole", (4,)), ("parts", (2, 4))):
        for number in epochs:
            model = network(tmp_path / name, TWO)
            if optimizer:
                model.add(optimizer=optimizer)
            resume = tmp_path / name / "last.pth" if number == 4 and len(epochs) > 1 else None
            history = model.train(lr=0.01, epochs=number, verbose=False, resume=resume, **settings)
        results.append((model.model.state_dict(), [entry["val_loss"] for entry in history], model.inference(X)))
    (one, first, values), (two, second, others) = results
    assert all(torch.equal(one[name], two[name]) for name in one) and first == second
    np.testing.assert_array_equal(values, others)


def test_a_training_without_scaling_is_resumed_as_it_began(tmp_path: Path) -> None:
    network(tmp_path, PRICES, scale_targets=False).train(epochs=2, verbose=False)
    model = network(tmp_path, PRICES)
    model.train(epochs=3, verbose=False, resume=tmp_path / "last.pth")
    assert model.model.target_scaling is None
    with pytest.raises(CheckpointError):
        network(tmp_path, PRICES + 1).train(epochs=4, verbose=False, resume=tmp_path / "last.pth")


def test_learning_rate_finder_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    model = network(tmp_path, PRICES)
    model.plan()
    before = {name: value.clone() for name, value in model.model.state_dict().items()}
    assert 1e-7 < model.find_lr() < 10
    assert all(torch.equal(value, before[name]) for name, value in model.model.state_dict().items())
