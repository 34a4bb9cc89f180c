"""Exports for a target: the whole way from a network to a file in the versions asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

import runtime
from exporters import export
from exporters.settings import ExportSettings
from exporters.targets import Change, convert_versions, requested_versions
from exporters.targets.stage import target_words
from runtime.errors import CheckFailed, SpecError


class Mixed(nn.Module):
    """Convolution, Gelu, LayerNorm, attention and softmax: operators that changed between 11 and 20."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.gelu(self.conv(x)).flatten(2).transpose(1, 2)  # (N, H * W, 8)
        x = self.norm(x)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.head(nn.functional.hardswish(x).mean(1))  # (N, 4)


PICTURES = torch.rand(5, 3, 6, 6)


@pytest.fixture(scope="module")
def mixed() -> nn.Module:
    torch.manual_seed(0)
    return Mixed().eval()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "opset", "ir_version"),
    [
        ({"target": "onnxruntime==1.13"}, 17, 8),
        ({"target": "jetson-nano"}, 13, 7),
        ({"opset_version": 11, "ir_version": 6}, 11, 6),
        ({"opset_version": 22}, 22, 10),
    ],
)
def test_an_export_is_brought_to_what_is_asked_for(
    mixed: nn.Module, tmp_path: Path, asked: dict[str, Any], opset: int, ir_version: int
) -> None:
    path = tmp_path / "model.onnx"
    report = export(
        mixed, path, example=PICTURES, task="classification", labels=tuple("abcd"), simplifier="none", **asked
    )
    model = onnx.load(path)
    assert (report.opset, report.ir_version) == (opset, ir_version)
    assert (model.opset_import[0].version, model.ir_version) == (opset, ir_version)
    assert "target" in [stage.name for stage in report.stages]
    assert report.parity.worst_difference < 1e-5
    facts = report.facts["target"]
    assert facts["opset"][1] == opset
    assert facts.get("name") == asked.get("target")
    json.dumps(facts)
    found = runtime.load(path, "cpu")
    assert found.card is not None
    assert found.card.labels == tuple("abcd")


def test_a_target_that_opens_the_file_as_it_is_changes_no_version(
    dense: nn.Module, rows: torch.Tensor, tmp_path: Path
) -> None:
    plain = export(dense, tmp_path / "a.onnx", example=rows, simplifier="none")
    report = export(dense, tmp_path / "b.onnx", example=rows, simplifier="none", target="onnxruntime>=1.20")
    assert (report.opset, report.ir_version) == (plain.opset, plain.ir_version)
    note = next(stage.note for stage in report.stages if stage.name == "target")
    assert note == f"onnxruntime>=1.20: opset {plain.opset} as it was; IR version {plain.ir_version} as it was"


def test_without_a_target_there_is_no_such_stage(dense: nn.Module, rows: torch.Tensor, tmp_path: Path) -> None:
    report = export(dense, tmp_path / "a.onnx", example=rows, simplifier="none")
    assert "target" not in [stage.name for stage in report.stages]


class Sampled(nn.Module):
    """grid_sample, which came with opset 16."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.grid_sample(x, x[:, :2].permute(0, 2, 3, 1), align_corners=False)


def test_what_the_target_lacks_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"from opset \d+ to 13: GridSample came with opset 16.*--target jetson-nano"):
        export(Sampled(), tmp_path / "a.onnx", example=PICTURES, simplifier="none", target="jetson-nano")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"opset": 5}, "Give one from 9 to"),
        ({"opset": 99}, "Give one from 9 to"),
        ({"ir_version": 3}, "Give one from 4 to"),
        ({"ir_version": 99}, "Give one from 4 to"),
        ({"target": "onnxruntime==1.13", "opset": 18}, "outside of what onnxruntime==1.13 takes, 7 to 17"),
        ({"target": "rknn-toolkit2==1.6", "opset": 11}, "takes, 12 to 19"),
        ({"target": "onnxruntime==1.13", "ir_version": 9}, "newer than 8"),
        ({"target": "nothing"}, "There is no target 'nothing'"),
    ],
)
def test_what_cannot_be_asked_for_is_said_before_any_work(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        requested_versions(**asked)
    assert words in str(caught.value)


def test_what_the_installed_runtime_does_not_run_cannot_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.__version__", "1.20.1")
    with pytest.raises(SpecError, match=r"newer than 21, the newest that onnxruntime==1\.20\.1.*Give 21 or older"):
        requested_versions(opset=22)
    with pytest.raises(SpecError, match=r"newer than 10.*Give 10 or older"):
        requested_versions(ir_version=11)
    monkeypatch.setattr("onnxruntime.__version__", "99.0.0")
    assert requested_versions(opset=22).opset == 22


def test_the_plan_says_it_in_words() -> None:
    assert target_words(ExportSettings()) is None
    assert target_words(ExportSettings(target="onnxruntime==1.13", opset_version=15)) == (
        "onnxruntime==1.13: opset up to 17, IR version up to 8; opset 15"
    )
    assert target_words(ExportSettings(ir_version=8)) == "IR version 8"


def saved(path: Path, node: onnx.NodeProto, opset: int, element: int = TensorProto.FLOAT) -> Path:
    value = [helper.make_tensor_value_info(name, element, ["n", 4]) for name in "xy"]
    graph = helper.make_graph([node], "graph", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path)
    return path


def test_a_file_of_an_older_set_than_a_converter_takes_is_raised(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.onnx", helper.make_node("Relu", ["x"], ["y"]), 11)
    change = convert_versions(path, requested_versions("rknn-toolkit2==1.6"))
    assert change == Change((11, 12), (8, 8), {})
    assert onnx.load(path).opset_import[0].version == 12


def test_a_type_that_the_older_operator_lacks_is_refused_and_the_file_left(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.onnx", helper.make_node("Relu", ["x"], ["y"]), 14, TensorProto.INT32)
    before = path.read_bytes()
    with pytest.raises(CheckFailed, match=r"Opset 13 has no Relu of tensor\(int32\)"):
        convert_versions(path, requested_versions("jetson-nano"))
    assert path.read_bytes() == before


def test_operators_of_onnxruntime_alone_are_refused_elsewhere(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.onnx", helper.make_node("QuickGelu", ["x"], ["y"], domain="com.microsoft"), 13)
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)
    with pytest.raises(CheckFailed, match=r"com\.microsoft\.QuickGelu \(1\)"):
        convert_versions(path, requested_versions("tensorrt==8.6"))
    assert convert_versions(path, requested_versions("onnxruntime==1.13")).opset == (13, 13)


def test_weights_in_a_second_file_stay_there(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 64]) for name in "xy"]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Gelu", ["a"], ["y"])]
    graph = helper.make_graph(nodes, "graph", value[:1], value[1:], [onnx.numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="model.onnx.data")
    before = (tmp_path / "model.onnx.data").read_bytes()
    change = convert_versions(path, requested_versions("onnxruntime==1.13"))
    assert change.replaced == {"Gelu": 1}
    assert (tmp_path / "model.onnx.data").read_bytes() == before
    found = runtime.load(path, "cpu").run({"x": np.ones((2, 64), np.float32)})
    exact = torch.nn.functional.gelu(torch.ones(2, 64) @ torch.from_numpy(weights))
    np.testing.assert_allclose(found["y"], exact.numpy(), rtol=1e-4, atol=1e-5)
