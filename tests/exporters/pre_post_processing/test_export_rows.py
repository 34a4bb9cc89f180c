"""The scaling of a table's columns lies in the file: raw rows go in, whatever runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

import exporters
import runtime
from exporters import check
from exporters.inputs import kind_of
from runtime.card import TableInput
from runtime.preprocess import prepare_table
from toolkit import nn

RANDOM = np.random.default_rng(0)
ROWS = 200
COLUMNS = {
    "area": RANDOM.normal(100, 40, ROWS),
    "year": 2000.0 + RANDOM.integers(-1, 2, ROWS),
    "identity": 1e9 + RANDOM.integers(0, 9e8, ROWS),
    "small": RANDOM.normal(0, 1e-6, ROWS),
    "large": RANDOM.normal(3e6, 1e6, ROWS),
    "constant": np.full(ROWS, 7.5),
}
TIMES = {"time": 1.7e9 + RANDOM.integers(0, 86_400, ROWS), "area": COLUMNS["area"]}


def table(folder: Path, columns: dict[str, np.ndarray]) -> tuple[Path, np.ndarray]:
    x = np.stack(list(columns.values()), 1)
    y = 1000 * COLUMNS["area"] + 20_000 * (x[:, 1] - x[:, 1].mean()) / (x[:, 1].std() or 1)
    lines = [",".join([*columns, "price"])]
    lines += [",".join(map(repr, [*map(float, row), float(value)])) for row, value in zip(x, y, strict=True)]
    path = folder / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    return path, x


def trained(folder: Path, columns: dict[str, np.ndarray]) -> tuple[nn, Path, np.ndarray]:
    path, x = table(folder, columns)
    model = nn("reg", folder)
    model.set_seed(0)
    model.load_tab_data(path)
    model.add("linear", size=(x.shape[1], 8), activation="tanh")
    model.add("linear", size=(8, 1))
    model.train(epochs=15, lr=0.02, verbose=False)
    return model, path, x


def spread(values: np.ndarray) -> float:
    return float(values.std())


@pytest.mark.parametrize(("columns", "dtype"), [(COLUMNS, "float32"), (TIMES, "float64")], ids=["usual", "times"])
def test_any_runtime_answers_rightly_from_raw_rows(tmp_path: Path, columns: dict[str, np.ndarray], dtype: str) -> None:
    model, path, x = trained(tmp_path, columns)
    expected = model.inference(str(path))
    report = exporters.export(tmp_path / "last.pth", tmp_path / "n.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "n.onnx")
    (found,) = session.run(None, {"input": x.astype(dtype)})
    np.testing.assert_allclose(found, expected, atol=2e-5 * spread(expected))
    card = report.card.inputs[0]
    assert card.prepared_in_graph and card.fed_dtype == dtype and "in the file" in card.describe()
    file = runtime.load(tmp_path / "n.onnx")
    for given in (str(path), x, [dict(zip(columns, row, strict=True)) for row in x]):
        values = np.array([result.values for result in file.predict(given)])
        np.testing.assert_allclose(values, expected, atol=2e-5 * spread(expected))


def test_the_scaling_in_the_file_is_that_of_the_runtime(tmp_path: Path) -> None:
    x = np.stack(list(COLUMNS.values()), 1).astype(np.float32).astype(np.float64)
    std = np.where(x.std(0) > 0, x.std(0), 1.0)
    card = TableInput("input", tuple(COLUMNS), tuple(x.mean(0).tolist()), tuple(std.tolist()))
    module = torch.nn.Identity()
    exporters.export(module, tmp_path / "n.onnx", example=torch.randn(3, 6), inputs=(card,))
    (found,) = onnxruntime.InferenceSession(tmp_path / "n.onnx").run(None, {"input": x.astype(np.float32)})
    np.testing.assert_allclose(found, prepare_table(x, card), rtol=1e-6, atol=1e-6)


def test_it_can_be_left_outside_and_both_compare(tmp_path: Path) -> None:
    model, path, _ = trained(tmp_path, COLUMNS)
    checkpoint = tmp_path / "last.pth"
    exporters.export(checkpoint, tmp_path / "inside.onnx")
    report = exporters.export(checkpoint, tmp_path / "outside.onnx", embed_preprocess=False)
    assert not report.card.inputs[0].prepared_in_graph
    expected = model.inference(str(path))
    values = [result.values for result in runtime.load(tmp_path / "outside.onnx").predict(str(path))]
    np.testing.assert_allclose(values, expected, atol=1e-5 * spread(expected))
    sources: list[Any] = [checkpoint, tmp_path / "inside.onnx", tmp_path / "outside.onnx"]
    for one, other in ((0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (1, 1)):
        for data in (None, path):
            comparison = check(sources[one], sources[other], data=data)
            assert comparison.passed, str(comparison)
    module = model.model.cpu().eval()
    assert check(module, tmp_path / "inside.onnx", example=torch.randn(4, 6)).passed


@pytest.mark.parametrize("precision", ["fp16", "int8-dynamic", "int8"])
def test_a_lower_precision_leaves_the_scaling_in_float32(tmp_path: Path, precision: Any) -> None:
    model, path, x = trained(tmp_path, COLUMNS)
    settings: dict[str, Any] = {"precision": precision, "max_drop": 100, "allow_slower": True}
    try:
        exporters.export(tmp_path / "last.pth", tmp_path / "n.onnx", calibration=path, evaluation=path, **settings)
    except runtime.ToolkitError as error:
        assert "is not smaller" in str(error)
        return
    (found,) = onnxruntime.InferenceSession(tmp_path / "n.onnx").run(None, {"input": x.astype(np.float32)})
    expected = model.inference(str(path))
    assert np.abs(found - expected).max() < 0.2 * spread(expected)


@pytest.mark.parametrize("columns", [COLUMNS, TIMES], ids=["usual", "times"])
def test_a_bundle_and_a_triton_repository_take_raw_rows(tmp_path: Path, columns: dict[str, np.ndarray]) -> None:
    import subprocess
    import sys

    trained(tmp_path, columns)
    exporters.export(tmp_path / "last.pth", tmp_path / "n.onnx", bundle=tmp_path / "bundle", triton=tmp_path / "triton")
    script = tmp_path / "bundle" / "run.py"
    sample = np.load(tmp_path / "bundle" / "sample" / "input.npz")["input"]
    expected = np.load(tmp_path / "bundle" / "sample" / "expected.npz")["values"]
    (found,) = onnxruntime.InferenceSession(tmp_path / "bundle" / "model.onnx").run(None, {"input": sample})
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    done = subprocess.run([sys.executable, script, tmp_path / "t.csv"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first = runtime.load(tmp_path / "n.onnx").predict(str(tmp_path / "t.csv"))[0]
    assert f"{first.value:.6g}" in done.stdout


def test_the_card_of_a_new_file_is_read_back_and_older_ones_are_read() -> None:
    card = TableInput("input", ("a",), (1.0,), (2.0,))
    inside = kind_of(card).row_preparation(card)
    assert inside is not None and inside.card.prepared_outside() == card
    assert kind_of(card).row_preparation(TableInput("input", ("a",))) is None
