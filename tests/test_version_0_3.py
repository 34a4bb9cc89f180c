"""Checkpoints and files that version 0.3 wrote open, predict, resume and compare as they did."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from version_0_3.make import NETWORKS, table, trained

import runtime
from cli import main
from exporters import check, export
from runtime.errors import CardError
from toolkit.training.checkpoints.checkpoint import Checkpoint

KEPT = Path(__file__).parent / "version_0_3"
# Two losses after which 0.3 gave what the network itself gives rather than the answer: that of the answer's value now.
AS_IT_WAS = {
    "poisson": np.log,
    "gaussian": lambda said: np.hstack([said["values"], np.log(np.expm1(said["variances"]))]),
}
each_network = pytest.mark.parametrize("name", [made.__name__ for made in NETWORKS])


def assert_alike(found: Any, expected: Any) -> None:
    """Names and order exactly, numbers to rounding."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name in expected:
            if name != "source":  # pictures lie elsewhere now
                assert_alike(found[name], expected[name])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_alike(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    else:
        assert found == expected


@each_network
def test_a_training_goes_on_from_its_checkpoint_to_the_same_end(name: str, tmp_path: Path) -> None:
    model, _, _ = trained(name, tmp_path, resume=KEPT / f"{name}.pth")
    expected = np.load(KEPT / f"{name}.npz")
    weights = {f"after.{key}": value.numpy() for key, value in model.model.state_dict().items()}
    assert set(weights) == set(expected.files) - {"said", "predicted"}
    for key, value in weights.items():
        np.testing.assert_allclose(value, expected[key], rtol=1e-4, atol=1e-6, err_msg=key)


@each_network
def test_it_says_what_it_said(name: str, tmp_path: Path) -> None:
    expected = np.load(KEPT / f"{name}.npz")
    made = next(each for each in NETWORKS if each.__name__ == name)
    model, inputs, _ = made(tmp_path)
    said = model.inference(inputs, checkpoint=KEPT / f"{name}.pth")
    np.testing.assert_allclose(AS_IT_WAS.get(name, np.asarray)(said), expected["said"], rtol=1e-4, atol=1e-6)
    predicted = json.loads(str(expected["predicted"]))
    old = runtime.load(KEPT / f"{name}.onnx", "cpu")
    if predicted is None:
        with pytest.raises(CardError, match="Export it again"):
            old.predict(inputs)
    else:
        assert_alike([each.to_dict() for each in old.predict(inputs)], predicted)
    compared = check(KEPT / f"{name}.pth", KEPT / f"{name}.onnx")
    assert compared.passed
    assert any("export it anew" in note for note in compared.notes) == (name in AS_IT_WAS)
    if name in AS_IT_WAS:
        return
    export(KEPT / f"{name}.pth", tmp_path / "again.onnx", simplifier="none")
    again = runtime.load(tmp_path / "again.onnx", "cpu")
    assert_alike([each.to_dict() for each in again.predict(inputs)], predicted)
    assert again.card is not None and old.card is not None
    # the scaling of a table's columns lies in the file since then
    outside = tuple(entry.prepared_outside() for entry in again.card.inputs)
    assert replace(again.card, inputs=outside, parity={}) == replace(old.card, parity={})


@each_network
def test_the_commands_open_it(name: str) -> None:
    for file in (KEPT / f"{name}.pth", KEPT / f"{name}.onnx"):
        result = CliRunner().invoke(main, ["info", str(file), "--json"])
        assert result.exit_code == 0, result.output
        json.loads(result.output)


def test_the_command_goes_on_with_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path)
    (tmp_path / "run").mkdir()
    shutil.copy(KEPT / "command.pth", tmp_path / "run" / "last.pth")
    result = CliRunner().invoke(main, ["train", "--resume", "-o", "run"])
    assert result.exit_code == 0, result.output
    expected = dict(np.load(KEPT / "command.npz"))
    for key, value in Checkpoint.load(tmp_path / "run" / "last.pth").state_dict.items():
        np.testing.assert_allclose(value, expected[f"after.{key}"], rtol=1e-4, atol=1e-6, err_msg=key)
