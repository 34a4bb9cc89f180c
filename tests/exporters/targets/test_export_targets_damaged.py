"""Files with types and versions that there are not: a target check says so."""

from __future__ import annotations

import contextlib
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from exporters.targets import check_target
from runtime.errors import ToolkitError


def saved(path: Path, opset: int = 17, kind: int = 1, weight: int = 1) -> Path:
    tensor = TensorProto(name="w", data_type=weight, dims=[1], raw_data=b"abcd")
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy"]
    values[0].type.tensor_type.elem_type = kind
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", values[:1], values[1:], [tensor])
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()
    )
    return path


def test_a_weight_of_an_unknown_type_is_named(tmp_path: Path) -> None:
    found = check_target(saved(tmp_path / "m.onnx", weight=99), "onnxruntime==1.13")
    assert found.problems == ("Opset 17 has no Add of tensor of the unknown data type 99.",)


@pytest.mark.parametrize("opset", [0, -1, 2**31, 2**62, -(2**62)])
@pytest.mark.parametrize("kind", [0, 99, 2**31 - 1, -1])
def test_versions_and_types_that_there_are_not(tmp_path: Path, opset: int, kind: int) -> None:
    path = saved(tmp_path / "m.onnx", opset, kind, kind)
    with contextlib.suppress(ToolkitError):
        check_target(path, "onnxruntime==1.13")
    assert onnx.load(path).graph.node[0].op_type == "Add"
