"""Files of a kilobyte that unfold to billions of nodes or numbers are refused before onnxruntime sees them."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

import runtime
from cli import main
from runtime.errors import ModelFileError
from runtime.session.structure import check_structure


def saved(
    path: Path, nodes: list[onnx.NodeProto], functions: list[onnx.FunctionProto] = (), **initializers: np.ndarray
) -> Path:  # type: ignore[type-arg,assignment]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=10), path)
    return path


def function(name: str, *nodes: onnx.NodeProto) -> onnx.FunctionProto:
    return helper.make_function(
        "f", name, ["a"], ["b"], nodes, [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    )


def call(name: str, source: str, target: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(name, [source], [target], domain="f", **attributes)


def doubling(count: int) -> list[onnx.FunctionProto]:
    """F0 adds; each other calls the one before it twice."""
    found = [function("F0", helper.make_node("Add", ["a", "a"], ["b"]))]
    for number in range(1, count):
        found.append(function(f"F{number}", call(f"F{number - 1}", "a", "t"), call(f"F{number - 1}", "t", "b")))
    return found


def inside_a_branch(node: onnx.NodeProto) -> onnx.NodeProto:
    """An If whose one branch holds the node."""
    branches = {}
    for name in ("then_branch", "else_branch"):
        value = helper.make_tensor_value_info("b" + name, TensorProto.FLOAT, None)
        inner = onnx.NodeProto()
        inner.CopyFrom(node)
        inner.output[0] = "b" + name
        branches[name] = helper.make_graph([inner], name, [], [value])
    return helper.make_node("If", ["cond"], ["y"], **branches)


@pytest.mark.parametrize("command", [("info",), ("bench",), ("predict",), ("check", "--target", "onnxruntime==1.13")])
def test_functions_that_double_are_refused_by_every_command(tmp_path: Path, command: tuple[str, ...]) -> None:
    path = saved(tmp_path / "m.onnx", [call("F39", "x", "y")], doubling(40))
    more = [str(path)] if command == ("predict",) else []
    found = CliRunner().invoke(main, [command[0], str(path), *command[1:], *more])
    assert found.exit_code == 2 and "its 40 functions unfold from 80 nodes to" in found.output
    with pytest.raises(ModelFileError, match="unfold"):
        runtime.load(path, "cpu")


def test_functions_called_from_branches_and_from_themselves_are_refused(tmp_path: Path) -> None:
    condition = {"cond": np.array([True])}
    path = saved(tmp_path / "m.onnx", [inside_a_branch(call("F39", "x", "y"))], doubling(40), **condition)
    with pytest.raises(ModelFileError, match="unfold"):
        check_structure(path)
    circle = [function("A", call("B", "a", "b")), function("B", call("A", "a", "b"))]
    with pytest.raises(ModelFileError, match="its functions call themselves"):
        runtime.load(saved(tmp_path / "c.onnx", [call("A", "x", "y")], circle), "cpu")


def test_ordinary_functions_are_opened(tmp_path: Path) -> None:
    layers = [
        function(
            "F0",
            *[
                helper.make_node("Relu", ["a" if n == 0 else f"t{n - 1}"], ["b" if n == 9 else f"t{n}"])
                for n in range(10)
            ],
        )
    ]
    calls = [call("F0", "x" if n == 0 else f"v{n - 1}", "y" if n == 99 else f"v{n}") for n in range(100)]
    model = runtime.load(saved(tmp_path / "m.onnx", calls, layers), "cpu")
    np.testing.assert_array_equal(model.run({"x": np.ones((2, 4), np.float32)})["y"], np.ones((2, 4)))
    with pytest.raises(ModelFileError, match="does not exist"):
        runtime.load(tmp_path / "none.onnx", "cpu")


@pytest.mark.parametrize("where", ["initializer", "constant", "branch"])
def test_sparse_weights_that_fill_the_memory_are_refused(tmp_path: Path, where: str) -> None:
    sparse = onnx.SparseTensorProto(dims=[100_000, 100_000])
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "w"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64), "i"))
    constant = helper.make_node("Constant", [], ["w"], sparse_value=sparse)
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    if where != "initializer":
        nodes.append(constant if where == "constant" else inside_a_branch(constant))
    path = saved(tmp_path / "m.onnx", nodes)
    if where == "initializer":
        model = onnx.load(path)
        model.graph.sparse_initializer.append(sparse)
        onnx.save(model, path)
    with pytest.raises(ModelFileError, match=r"its sparse weights fill up to .0,000,000,000 numbers"):
        runtime.load(path, "cpu")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory is told by Linux")
def test_constants_that_double_do_not_fill_the_memory(tmp_path: Path) -> None:
    """Opened in a process of its own, whose memory is looked at: 4 kB doubled 20 times would be 4 GB."""
    names = ["c", *(f"c{number}" for number in range(20))]
    nodes = [helper.make_node("Concat", [a, a], [b], axis=0) for a, b in itertools.pairwise(names)]
    nodes += [helper.make_node("ReduceSum", [names[-1]], ["s"], keepdims=0), helper.make_node("Add", ["x", "s"], ["y"])]
    path = saved(tmp_path / "m.onnx", nodes, c=np.ones(1024, np.float32))
    script = f"import runtime; runtime.load({str(path)!r}, 'cpu'); print(open('/proc/self/status').read())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    (peak,) = (line.split()[1] for line in done.stdout.splitlines() if line.startswith("VmHWM"))
    assert int(peak) < 400_000  # kB


def test_more_nodes_than_any_network_has_are_refused(tmp_path: Path) -> None:
    one = helper.make_node("Identity", ["x"], ["y"]).SerializeToString()
    model = onnx.load(saved(tmp_path / "m.onnx", []))
    whole = model.graph.SerializeToString() + (b"\x0a" + bytes([len(one)]) + one) * 250_001
    del model.graph.node[:]
    model.ClearField("graph")
    length, number = b"", len(whole)
    while number > 127:
        length, number = length + bytes([number & 127 | 128]), number >> 7
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString() + b"\x3a" + length + bytes([number]) + whole)
    with pytest.raises(ModelFileError, match="it has 250,001 nodes"):
        runtime.load(tmp_path / "m.onnx", "cpu")


def test_nothing_hides_behind_a_field_that_readers_skip(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", [call("F39", "x", "y")], doubling(40))
    group = bytes([0x9B, 0x06, 0x9C, 0x06])  # field 99, begun and ended
    for content in (group + path.read_bytes(), path.read_bytes() + group):
        assert onnx.load_from_string(content).functions
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="was not opened"):
            check_structure(path)
