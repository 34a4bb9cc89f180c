"""Regression on targets of ordinary size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from toolkit import nn


def test_a_fresh_regression_starts_at_the_mean_of_its_targets(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    area, age = random.integers(50, 110, 200), random.integers(0, 20, 200)
    lines = ["area,age,price", *(f"{a},{b},{1.5 * a - b}" for a, b in zip(area, age, strict=True))]
    (tmp_path / "prices.csv").write_text("\n".join(lines) + "\n")
    model = nn("reg", tmp_path / "run")
    model.set_seed(0)
    model.load_tab_data(tmp_path / "prices.csv", batch_size=16)
    model.add("linear", size=(2, 10), activation="relu")
    model.add("linear", size=(10, 1))
    history = model.train(lr=0.01, epochs=30, metrics="r2", verbose=False)
    assert history[0]["r2"] > -0.5
    assert history[-1]["r2"] > 0.9
    assert model.inference([[100, 5]])[0, 0] == pytest.approx(145, abs=10)
