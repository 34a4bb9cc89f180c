"""Differences of a regression's outputs count in deviations of its targets, whatever their size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import exporters
import runtime
from exporters.settings import STRICT, Tolerance
from exporters.verifying.units import PLAIN, Units, output_units
from runtime.card import ModelCard
from runtime.errors import CheckFailed
from toolkit import nn

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(120, 3)).astype(np.float32)
TARGETS = {
    "offset": 1e5 + X[:, :1],
    "tiny": 1e-6 * X[:, :1],
    "several": np.stack([1e-3 * X[:, 0], 5e3 + 1e3 * X[:, 1]], 1),
}


@pytest.fixture(params=list(TARGETS))
def exported(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path, np.ndarray]:
    y = TARGETS[request.param]
    model = nn("reg", tmp_path)
    model.set_seed(0)
    model.load_dataset(X, y)
    model.add("linear", size=(3, 16), activation="relu")
    model.add("linear", size=(16, y.shape[1]))
    model.train(lr=0.01, epochs=30, verbose=False)
    exporters.export(tmp_path / "last.pth", tmp_path / "n.onnx")
    return tmp_path / "last.pth", tmp_path / "n.onnx", y


def test_a_file_gives_values_in_the_units_of_the_data(exported: tuple[Path, Path, np.ndarray]) -> None:
    checkpoint, path, y = exported
    model = nn("reg")
    model.load(checkpoint)
    values = np.array([result.values for result in runtime.load(path).predict(X)])
    np.testing.assert_allclose((values - y.mean(0)) / y.std(0), (model.inference(X) - y.mean(0)) / y.std(0), atol=2e-2)
    assert (1 - np.square(values - y).sum(0) / np.square(y - y.mean(0)).sum(0) > 0.9).all()
    assert exporters.check(checkpoint, path).passed


def test_weights_that_are_off_by_a_hundredth_of_a_deviation_are_seen(
    exported: tuple[Path, Path, np.ndarray], tmp_path: Path
) -> None:
    checkpoint, path, _ = exported
    file = onnx.load(path)
    for tensor in file.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.ndim == 2 and 3 in values.shape:
            tensor.CopyFrom(onnx.numpy_helper.from_array((values * 1.02).astype(values.dtype), tensor.name))
    onnx.save(file, tmp_path / "off.onnx")
    with pytest.raises(CheckFailed, match="'values' differs"):
        exporters.check(checkpoint, tmp_path / "off.onnx")


@pytest.mark.parametrize("precision", ["int8", "int8-dynamic", "fp16"])
def test_a_lower_precision_keeps_the_last_step_in_float32(
    exported: tuple[Path, Path, np.ndarray], tmp_path: Path, precision: str
) -> None:
    checkpoint, _, y = exported
    np.savez(tmp_path / "rows.npz", data=X, label=y)
    settings = {"max_drop": 100, "allow_slower": True, "calibration": tmp_path / "rows.npz"}
    try:
        exporters.export(checkpoint, tmp_path / "low.onnx", precision=precision, **settings)
    except runtime.ToolkitError as error:
        assert "is not smaller" in str(error)
        return
    values = np.array([result.values for result in runtime.load(tmp_path / "low.onnx").predict(X)])
    assert (1 - np.square(values - y).sum(0) / np.square(y - y.mean(0)).sum(0) > 0.8).all()


def test_units_of_a_card() -> None:
    def card(told: object) -> ModelCard:
        outputs = (runtime.card.OutputCard("values", "values"), runtime.card.OutputCard("variances", "raw"))
        return ModelCard("regression", (), outputs, training={"target_scaling": told})

    assert output_units(card({"mean": [1.0], "std": [2.0]})) == {
        "values": Units((1.0,), (2.0,)),
        "variances": Units((0.0,), (4.0,)),
    }
    for told in (None, 3, {}, {"mean": [1.0]}, {"mean": [1.0], "std": [0.0]}, {"mean": ["x"], "std": [1.0]}):
        assert output_units(card(told)) == {}
    exact = np.array([[1e6 + 1.0], [1e6 - 1.0]])
    assert float(Units((1e6,), (1.0,)).allowed(exact, STRICT)[0]) < 0.5
    assert float(PLAIN.allowed(exact, Tolerance())) > 9
