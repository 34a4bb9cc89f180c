"""The picture of a file: what is drawn, what is left out, and how large graphs are gathered."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper
from PIL import Image

from exporters.inspecting.graph_flow import FlowNode, graph_flow
from exporters.inspecting.graph_picture import draw_graph, save_picture
from exporters.inspecting.inspection import inspect_file
from exporters.inspecting.module_groups import group_by_module
from exporters.inspecting.operator_text import arguments_text, operator_family
from exporters.onnx_files.reading import read_graph
from runtime.errors import InputError


def graph_of(text: str, weights: dict[str, list[int]] | None = None) -> onnx.GraphProto:
    """A graph in ONNX's textual syntax, with weights of these shapes."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> g {text}')
    for name, dims in (weights or {}).items():
        model.graph.initializer.append(TensorProto(name=name, dims=dims, data_type=TensorProto.FLOAT))
    return model.graph


def texts(svg: bytes) -> list[str]:
    return [line.strip() for line in re.findall(r">([^<]+)</text>", svg.decode())]


def test_every_layer_is_drawn_with_its_shape(exported: Any) -> None:
    path = exported[0].path
    model, seen = read_graph(path), inspect_file(path)
    found = texts(draw_graph(model, seen, "digits", "svg"))
    for words in (
        "digits",
        "input",
        "(N, 1, 8, 8)",
        "conv2d1",
        "Conv + Relu",
        "1 → 4, 3×3",
        "144 → 16",
        "Gemm + Softmax",
        "(N, 10)",
    ):
        assert words in found
    assert {"probabilities", "embedding"} <= set(found)
    assert any("2,524 parameters" in line or "parameters" in line for line in found)
    assert draw_graph(model, seen, "digits", "svg") == draw_graph(model, seen, "digits", "svg")


def test_a_picture_is_written_as_its_name_says(exported: Any, tmp_path: Path) -> None:
    path = exported[0].path
    save_picture(path, inspect_file(path), tmp_path / "net.png")
    with Image.open(io.BytesIO((tmp_path / "net.png").read_bytes())) as picture:
        assert picture.format == "PNG"
        assert picture.width > 300
    save_picture(path, inspect_file(path), tmp_path / "net.svg")
    assert (tmp_path / "net.svg").read_bytes().startswith(b"<?xml")
    with pytest.raises(InputError, match=r"ends in \.svg or \.png"):
        save_picture(path, inspect_file(path), tmp_path / "net.gif")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.png", "net.svg"]


def test_constants_shapes_and_wrappers_are_left_out() -> None:
    graph = graph_of(
        "(float[n,4] x) => (float[n,2] y, float[n,2] z) {"
        "s = Shape<end=1>(x) m = Constant<value_ints=[2]>() t = Concat<axis=0>(s, m)"
        " a = MatMul(x, w) b = Relu(a) c = Identity(b) y = Reshape(c, t) z = Sigmoid(c)}",
        {"w": [4, 2]},
    )
    nodes, ends = graph_flow(graph)
    assert [(node.kind, node.sources) for node in nodes] == [
        ("MatMul + Relu", ["x"]),
        ("Reshape", [0]),
        ("Sigmoid", [0]),
    ]
    assert ends == [("y", 1), ("z", 2)]
    assert nodes[0].parameters == 8


def test_quantised_wrappers_do_not_hide_the_weights() -> None:
    graph = graph_of(
        "(float[n,4] x) => (float[n,2] y) {q = QuantizeLinear(x, k, p) d = DequantizeLinear(q, k, p)"
        " v = DequantizeLinear(w, k, p) a = MatMul(d, v) e = QuantizeLinear(a, k, p) y = DequantizeLinear(e, k, p)}",
        {"layer.w": [4, 2], "k": [], "p": []},
    )
    graph.initializer[0].name = "w"
    nodes, ends = graph_flow(graph)
    assert [(node.kind, node.sources, node.parameters) for node in nodes] == [("MatMul", ["x"], 8)]
    assert ends == [("y", 0)]


def test_the_bodies_of_branches_take_what_they_need_from_around() -> None:
    graph = graph_of(
        "(bool c, float[n] x) => (float[n] y) {a = Relu(x) y = If (c) <then_branch = t () => (float[n] u) {u = Neg(a)}, "
        "else_branch = e () => (float[n] v) {v = Abs(a)}>}"
    )
    nodes, _ = graph_flow(graph)
    assert [(node.kind, node.sources) for node in nodes] == [("Relu", ["x"]), ("If", ["c", 0])]


def flow(*steps: tuple[str, str, list[int | str]]) -> list[FlowNode]:
    """Nodes of (operator, layer, sources)."""
    return [
        FlowNode([helper.make_node(kind, [], [f"v{n}"])], sources, layer)
        for n, (kind, layer, sources) in enumerate(steps)
    ]


RESIDUAL = flow(
    ("Conv", "stem", ["x"]),
    ("MaxPool", "", [0]),
    ("Conv", "block.0.a", [1]),
    ("AveragePool", "", [2]),
    ("Conv", "block.0.b", [3]),
    ("Add", "", [4, 1]),
    ("Conv", "block.1.a", [5]),
    ("Conv", "block.1.b", [6]),
    ("Add", "", [7, 5]),
    ("GlobalAveragePool", "", [8]),
    ("Gemm", "head", [9]),
)


def test_few_nodes_stay_as_they_are() -> None:
    assert group_by_module(RESIDUAL, 11) == [("", [number]) for number in range(11)]


def test_many_nodes_are_gathered_by_the_deepest_blocks_that_fit() -> None:
    assert group_by_module(RESIDUAL, 8) == [
        ("", [0]),
        ("", [1]),
        ("block.0", [2, 3, 4, 5]),
        ("block.1", [6, 7, 8]),
        ("", [9]),
        ("", [10]),
    ]
    assert group_by_module(RESIDUAL, 5) == [
        ("", [0]),
        ("", [1]),
        ("block", [2, 3, 4, 5, 6, 7, 8]),
        ("", [9]),
        ("", [10]),
    ]


def test_what_fits_nowhere_becomes_chains() -> None:
    (name, members), *rest = group_by_module(RESIDUAL, 2)
    assert members == list(range(11))
    assert rest == []
    assert name == "chain …"


def test_a_module_that_data_leaves_and_enters_again_is_left_open() -> None:
    shared = flow(
        ("Conv", "a.x", ["x"]),
        ("Conv", "b.x", [0]),
        ("Conv", "a.y", [1]),
        ("Conv", "b.y", [2]),
        ("Conv", "c.x", [3]),
        ("Conv", "c.y", [4]),
    )
    groups = group_by_module(shared, 5)
    assert [number for _, members in groups for number in members] == list(range(6))
    assert ("c", [4, 5]) in groups


def test_operators_are_told_in_a_few_words() -> None:
    convolution = helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1], group=4)
    assert arguments_text(convolution, {"w": (8, 2, 3, 3)}) == "8 → 8, 3×3, stride 2, padding 1, groups 4"
    transposed = helper.make_node("ConvTranspose", ["x", "w"], ["y"], dilations=[1, 2])
    assert arguments_text(transposed, {"w": (8, 2, 3, 3)}) == "8 → 2, 3×3, dilation 1×2"
    assert arguments_text(helper.make_node("Gemm", ["x", "w"], ["y"]), {"w": (3, 5)}) == "3 → 5"
    lstm = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=4, direction="bidirectional")
    assert arguments_text(lstm, {"w": (2, 16, 3)}) == "3 → 4, both ways"
    assert arguments_text(helper.make_node("Concat", ["a", "b"], ["y"], axis=1), {}) == "axis 1"
    assert arguments_text(helper.make_node("Resize", ["a"], ["y"], mode="linear"), {}) == "linear"
    families = {
        "Conv": "convolution",
        "Gather": "sequence",
        "Add": "function",
        "Flatten": "shape",
        "HardSwish": "activation",
    }
    assert {kind: operator_family(helper.make_node(kind, [], []), True) for kind in families} == families
