"""Metrics of numbers against float64 arithmetic, where that of float32 loses the digits."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from runtime.card import ModelCard, OutputCard, TableInput
from runtime.results import find_decoder
from runtime.results.fidelity import determination, mean_cosine
from toolkit import nn
from toolkit.training.metrics import Outputs, measure

METRICS = ("mae", "mse", "rmse", "r2")
SCALES = [(1.0, 0.0), (1e-9, 0.0), (1e-30, 0.0), (1e30, 0.0), (1.0, 1e6), (7.0, -311030.0), (1e-4, 0.0), (0.5, 1e7)]


def numbers(scale: float, offset: float, columns: int = 1, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """float32 targets, and outputs that explain about half of them."""
    random = np.random.default_rng(0)
    known, noise = random.normal(size=(2, rows, columns))
    return ((known + noise) * scale + offset).astype(np.float32), (known * scale + offset).astype(np.float32)


def expected(targets: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    y, p = targets.astype(np.float64), outputs.astype(np.float64)
    squares = np.square(y - p).mean()
    spread = np.square(y - y.mean(0)).sum(0)
    return {
        "mae": float(np.abs(y - p).mean()),
        "mse": float(squares),
        "rmse": math.sqrt(squares),
        "r2": float((1 - np.square(y - p).sum(0) / spread).mean()),
    }


@pytest.mark.parametrize(("scale", "offset"), SCALES)
@pytest.mark.parametrize("columns", [1, 3])
def test_small_huge_and_offset_numbers_are_measured_as_they_are(scale: float, offset: float, columns: int) -> None:
    targets, outputs = numbers(scale, offset, columns)
    found = measure(METRICS, torch.from_numpy(outputs), torch.from_numpy(targets), "regression")
    assert found == pytest.approx(expected(targets, outputs), rel=1e-9, abs=0)
    meter = Outputs(METRICS, "regression")
    for rows in np.array_split(np.arange(len(targets)), 7):
        meter.add(torch.from_numpy(outputs[rows]), torch.from_numpy(targets[rows]))
    assert meter.measure([meter.state()]) == pytest.approx(found, rel=1e-12, abs=0)


def test_values_of_different_size_count_alike_and_those_that_do_not_vary_not_at_all() -> None:
    targets, outputs = numbers(1.0, 0.0, 3)
    factors = np.array([1e-6, 1.0, 1e6], np.float32)
    scaled = measure(("r2",), torch.from_numpy(outputs * factors), torch.from_numpy(targets * factors), "regression")
    assert scaled["r2"] == pytest.approx(expected(targets, outputs)["r2"], rel=1e-6)
    targets[:, 1] = 1e6
    found = measure(("r2",), torch.from_numpy(outputs), torch.from_numpy(targets), "regression")
    assert found["r2"] == pytest.approx(expected(targets[:, ::2], outputs[:, ::2])["r2"], rel=1e-9)
    for rows in (targets[:1], np.full_like(targets, 3.0)):
        assert "r2" not in measure(
            ("r2",), torch.from_numpy(outputs[: len(rows)]), torch.from_numpy(rows), "regression"
        )
    assert measure(("mae",), torch.from_numpy(outputs[:1]), torch.from_numpy(outputs[:1]), "regression") == {"mae": 0.0}


@pytest.mark.parametrize(("scale", "offset"), SCALES)
def test_the_file_s_measure_is_that_of_the_training(scale: float, offset: float) -> None:
    targets, outputs = numbers(scale, offset, 2)
    card = ModelCard("regression", (TableInput("input", ("a",)),), (OutputCard("values", "values"),), ("x", "y"))
    score = find_decoder("regression").score({"values": outputs}, targets, card)
    assert score == pytest.approx(100 * expected(targets, outputs)["r2"], rel=1e-9)
    assert determination(targets[:, 0], outputs[:, 0]) == pytest.approx(
        100 * expected(targets[:, :1], outputs[:, :1])["r2"]
    )
    assert mean_cosine(targets, targets) == pytest.approx(100)


def test_noise_in_small_units_explains_nothing(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(100, 3)).astype(np.float32), random.normal(size=100) * 1e-4
    model = nn("reg", save_fold=tmp_path)
    model.set_seed(0)
    _, validation = model.load_dataset(x, y, train_val_ratio=0.7)
    model.add("linear", size=(3, 1))
    history = model.train(epochs=3, lr=0.01, verbose=False)
    wanted, found = y[validation.indices], model.inference(x[validation.indices])[:, 0].astype(float)
    true = 1 - np.square(found - wanted).sum() / np.square(wanted - wanted.mean()).sum()
    assert history[-1]["val_r2"] == pytest.approx(true, rel=1e-3)
