"""What is told of a file's graph: counted by hand, against torch's own counter, and of files made to do harm."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.utils.flop_counter import FlopCounterMode

from exporters.delivery.markdown import markdown_table
from exporters.inspecting.graph_facts import graph_facts
from exporters.inspecting.inspection import add_inspection, inspect_file, least_onnxruntime
from exporters.inspecting.model_inspection import ModelInspection
from exporters.inspecting.multiply_adds import count_multiply_adds
from exporters.inspecting.shapes import find_shapes, input_lengths
from exporters.onnx_files.external_data import save_model
from exporters.pipeline import export
from exporters.report import Report
from runtime.errors import ModelFileError
from runtime.session import Session


def written(text: str, path: Path, *initializers: onnx.TensorProto) -> Path:
    """A model in ONNX's textual syntax."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]> {text}')
    model.graph.initializer.extend(initializers)
    onnx.save(model, path)
    return path


def counted(text: str, path: Path) -> Any:
    file = written(text, path)
    return find_shapes(file, input_lengths(Session(file, "cpu", optimize=False).inputs, None))


def test_an_exported_network_is_told(exported: tuple[Report, list[str]]) -> None:
    seen = inspect_file(exported[0].path)
    assert seen.facts.opset == exported[0].opset
    assert seen.facts.ir_version == exported[0].ir_version
    # 4 x 1 x 3 x 3 and its bias (normalisation is folded in), 144 x 16 + 16, 16 x 10 + 10
    assert seen.facts.parameters == 36 + 4 + 144 * 16 + 16 + 160 + 10
    assert seen.flow.multiply_adds == 4 * 9 * 36 + 144 * 16 + 160
    assert dict(seen.flow.inputs) == {"input": (1, 1, 8, 8)}
    assert seen.facts.operators["Gemm"] == 2
    assert sum(layer.parameters for layer in seen.facts.layers) == seen.facts.parameters
    assert seen.warnings == ()
    assert any(name.startswith("onnxruntime>=") for name in seen.targets)
    facts = seen.to_dict()
    assert json.loads(json.dumps(facts)) == facts
    text = seen.text()
    for words in (
        "opset    ai.onnx",
        "parameters: float32",
        f"{seen.flow.multiply_adds:,} multiply-adds at input (1, 1, 8, 8)",
    ):
        assert words in text


class Recurrent(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(5, 7, 2, batch_first=True, bidirectional=True)
        self.attention = torch.nn.MultiheadAttention(14, 2, batch_first=True)
        self.up = torch.nn.ConvTranspose1d(14, 6, 3, stride=2, groups=2)

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        steps = self.lstm(steps)[0]
        steps = self.attention(steps, steps, steps)[0]
        result: torch.Tensor = self.up(steps.transpose(1, 2))
        return result


@pytest.mark.slow
def test_multiply_adds_are_those_that_torch_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convolution = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2, padding=1),
        torch.nn.Conv2d(8, 8, 3, groups=8),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 5),
    )
    # the fast path is one operator, which torch's counter does not know
    monkeypatch.setattr(torch.backends.mha, "_is_fastpath_enabled", False)
    for module, example in (
        (convolution.eval(), torch.randn(2, 3, 17, 20)),
        (Recurrent().eval(), torch.randn(2, 6, 5)),
    ):
        path = export(module, tmp_path / "m.onnx", example=example, simplifier="none").path
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(example[:1])
        expected = counter.get_total_flops() // 2
        if isinstance(module, Recurrent):  # nor does it look into LSTM
            expected += 6 * sum(w.numel() for name, w in module.lstm.named_parameters() if "weight" in name)
        session = Session(path, "cpu")
        lengths = {t.name: (1, *example.shape[1:]) for t in session.inputs}
        assert find_shapes(path, lengths).multiply_adds == expected


# graph, multiply-adds of one row
GRAPHS = {
    "Conv": ("g (float[n,4,9,9] x, float[6,2,3,3] w) => (y) {y = Conv<group=2, strides=[2,2]>(x, w)}", 6 * 16 * 18),
    "ConvTranspose": ("g (float[n,4,5] x, float[4,3,2] w) => (y) {y = ConvTranspose(x, w)}", 4 * 5 * 6),
    "Gemm": ("g (float[3,n] x, float[5,3] w) => (y) {y = Gemm<transA=1, transB=1>(x, w)}", 3 * 5 * 16),
    "MatMul": ("g (float[n,2,3] x, float[3,5] w) => (y) {y = MatMul(x, w)}", 2 * 3 * 5),
    "Einsum": (
        'g (float[n,2,3] x, float[n,3,5] w) => (y) {y = Einsum<equation="...ij,...jk->...ik">(x, w)}',
        2 * 3 * 5,
    ),
    "LSTM": (
        'g (float[7,n,3] x, float[2,16,3] w, float[2,16,4] r) => (y) {y = LSTM<hidden_size=4, direction="bidirectional">(x, w, r)}',
        7 * 16 * (2 * 16 * 3 + 2 * 16 * 4),
    ),
    "Reshape": (
        "g (float[n,2,6] x, float[12,5] w) => (y) {s = Shape<end=1>(x) m = Constant<value_ints=[-1]>() t = Concat<axis=0>(s, m)"
        " f = Reshape(x, t) y = MatMul(f, w)}",
        60,
    ),
    "FusedConv": ("g (float[n,4,9,9] x, float[6,4,3,3] w) => (y) {c = Conv(x, w) y = Relu(c)}", 6 * 49 * 36),
    "QLinearMatMul": (
        "g (uint8[n,3] x, float a, uint8 p, int8[3,5] w, float b, int8 q, float c, uint8 r) => (y) {y = QLinearMatMul(x, a, p, w, b, q, c, r)}",
        15,
    ),
    "If": (
        "g (bool c, float[n,3] x, float[3,5] w, float[3,2] v) => (y) {y = If (c) <then_branch = t () => (a) {a = MatMul(x, w)}, "
        "else_branch = e () => (b) {b = MatMul(x, v)}>}",
        15,
    ),
    "Loop": (
        "g (float[n,3] x, float[3,3] w) => (y) {k = Constant<value = int64 {4}>() c = Constant<value = bool {1}>() "
        "y = Loop (k, c, x) <body = b (int64 i, bool d, float[1,3] s) => (o, z) {o = Identity(d) z = MatMul(s, w)}>}",
        4 * 9,
    ),
    "nothing": ("g (float[n,3] x) => (y) {y = Relu(x)}", 0),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_multiply_adds_of_each_operator(name: str, tmp_path: Path) -> None:
    text, expected = GRAPHS[name]
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    lengths = {}
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        rows = 16 if name in ("Gemm", "LSTM") else 1
        lengths[value.name] = tuple(dim.dim_value or rows for dim in dims)
    found = find_shapes(path, lengths)
    assert found.reason == ""
    assert found.multiply_adds == expected
    assert not found.uncounted


def test_what_is_decided_while_running_is_said(tmp_path: Path) -> None:
    text = "g (float[n,4] x, float[4,2] w) => (y) {z = NonZero(x) t = Transpose(z) c = Cast<to=1>(t) p = Transpose(c) q = MatMul(p, c) y = MatMul(x, w)}"
    found = counted(text, tmp_path / "m.onnx")
    assert found.multiply_adds == 8
    assert found.uncounted == {"MatMul": 1}
    graph = onnx.load(tmp_path / "m.onnx").graph
    assert count_multiply_adds(graph).uncounted == {"MatMul": 2}


def test_functions_are_opened(tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
        g (float[n,3] x, float[3,5] w) => (float[n,5] y) {y = own.twice(x, w)}
        <domain: "own", opset_import: ["" : 17]> twice (a, b) => (c) {d = MatMul(a, b) c = Add(d, d)}"""
    path = tmp_path / "m.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    assert find_shapes(path, {"x": (1, 3), "w": (3, 5)}).multiply_adds == 15
    facts = graph_facts(onnx.load(path))
    assert facts.operators == {"own::twice": 1, "MatMul": 1, "Add": 1}


def bomb(path: Path) -> Path:
    """135 bytes that are 2^34 numbers once they are computed."""
    side = numpy_helper.from_array(np.array([2**17, 2**17]), "s")
    return written(
        "g (float[n] x) => (float[n] y) {z = ConstantOfShape(s) r = ReduceSum<keepdims=0>(z) y = Add(x, r)}", path, side
    )


def test_a_file_made_to_fill_the_memory_is_told_at_once(tmp_path: Path) -> None:
    started = time.monotonic()
    seen = inspect_file(bomb(tmp_path / "bomb.onnx"))
    assert time.monotonic() - started < 20
    assert any("17,179,869,184 numbers of a few bytes" in warning for warning in seen.warnings)
    assert seen.flow.multiply_adds == 0


def test_a_search_for_shapes_has_a_limit_of_time(exported: Any) -> None:
    found = find_shapes(exported[0].path, {}, seconds=0.0)
    assert found.multiply_adds is None
    assert found.reason == "finding its shapes took more than 0 seconds"


def test_what_is_no_graph_is_a_model_file_error(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\xff\xfe not a graph")
    with pytest.raises(ModelFileError):
        inspect_file(tmp_path / "m.onnx")


def warnings_of(text: str, path: Path, *initializers: onnx.TensorProto) -> str:
    return "\n".join(inspect_file(written(text, path, *initializers)).warnings)


def test_what_is_odd_is_told(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    on = numpy_helper.from_array(np.array(True), "on")
    ratio = numpy_helper.from_array(np.array(0.5, np.float32), "p")
    large = numpy_helper.from_array(np.ones((20, 20)), "w")
    found = warnings_of("g (float[4,3] x) => (float[4,3] y) {y = Dropout(x, p, on)}", path, on, ratio)
    assert "dropout is switched on" in found
    assert "its batch is fixed at 4" in found
    assert "no card" in found
    found = warnings_of(
        "g (float[n,3] x, float[3] a) => (float[n,3] y, float[3] m, float[3] v) "
        "{y, m, v = BatchNormalization<training_mode=1>(x, a, a, a, a)}",
        path,
    )
    assert "batch normalisation is in training mode" in found
    found = warnings_of("g (double[n,20] x) => (double[n,20] y) {y = MatMul(x, w)}", path, large)
    assert "3,200 bytes of weights are float64" in found
    assert "the input 'x' is float64" in found
    assert "RandomNormalLike make results random" in warnings_of(
        "g (float[n] x) => (float[n] y) {y = RandomNormalLike(x)}", path
    )
    assert "operators of com.microsoft" in warnings_of(
        "g (float[n] x) => (float[n] y) {y = com.microsoft.Gelu(x)}", path
    )
    model = onnx.parser.parse_model(
        '<ir_version: 6, opset_import: ["" : 11]> g (float[n] x) => (float[n] y) {y = Relu(x)}'
    )
    onnx.save(model, path)
    assert "opset 11 is old" in "\n".join(inspect_file(path).warnings)
    assert inspect_file(path).facts.layers == ()


def test_weights_in_a_second_file_are_counted_and_looked_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = numpy_helper.from_array(np.ones((64, 64), np.float32), "layer.weight")
    path = written("g (float[n,64] x) => (float[n,64] y) {y = Add(x, x)}", tmp_path / "m.onnx", weights)
    monkeypatch.setattr("exporters.onnx_files.external_data.SIZE_LIMIT_BYTES", 1000)
    save_model(onnx.load(path), path)
    seen = inspect_file(path)
    assert seen.facts.external == ("m.onnx.data",)
    assert seen.facts.parameters == 4096
    assert seen.facts.weights == {"float32": 64 * 64 * 4}
    assert [layer.bytes for layer in seen.facts.layers] == [64 * 64 * 4]


def test_looking_needs_no_torch(exported: Any) -> None:
    program = (
        "import sys; sys.modules['torch'] = None; from pathlib import Path; from exporters.inspecting.inspection import inspect_file; "
        "from exporters.inspecting.graph_picture import draw_graph; print(inspect_file(Path(sys.argv[1])).flow.multiply_adds)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(exported[0].path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def test_the_least_runtime_follows_from_opset_and_file_format(exported: Any) -> None:
    def least(opset: int, ir_version: int) -> str | None:
        model = helper.make_model(helper.make_graph([], "g", [], []), opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = ir_version
        return least_onnxruntime(graph_facts(model))

    assert least(17, 8) == "1.12"
    assert least(17, 9) == "1.15"
    assert least(13, 7) == "1.6"
    assert least(999, 8) is None


def test_large_layers_come_first_and_the_rest_is_counted(exported: Any) -> None:
    seen: ModelInspection = inspect_file(exported[0].path)
    lines = seen.layer_table(1).splitlines()
    assert lines[2].split()[1] == "2,320"
    assert lines[3].startswith("2 more")


def test_tables_of_markdown_line_up() -> None:
    text = markdown_table(("a", "b|c"), [("x\ny", 1), ("long", 22)], right=(1,))
    assert text == "| a    | b\\|c |\n| ---- | ---: |\n| x y  |    1 |\n| long |   22 |"


def test_a_strange_dtype_is_counted_as_unknown() -> None:
    tensor = TensorProto(name="t", dims=[3], data_type=99)
    model = helper.make_model(helper.make_graph([], "g", [], [], [tensor]))
    assert graph_facts(model).weights == {"unknown": 0}


def test_totals_hold_what_lies_in_branches_and_beside_the_file(tmp_path: Path) -> None:
    inside = numpy_helper.from_array(np.ones((40, 50), np.float32), "inner.weight")
    branch = helper.make_graph(
        [helper.make_node("MatMul", ["x", "inner.weight"], ["a"]), helper.make_node("Relu", ["a"], ["b"])],
        "then",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)],
        [inside],
    )
    graph = helper.make_graph(
        [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 40)),
            helper.make_tensor_value_info("c", TensorProto.BOOL, ()),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 50))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    facts = graph_facts(model)
    assert (facts.nodes, facts.parameters) == (5, 2 * 2000)
    assert [(layer.name, layer.parameters) for layer in facts.layers] == [("inner", 4000)]
    outside = numpy_helper.from_array(np.ones((40, 50), np.float32), "w")
    plain = written("g (float[n,40] x) => (float[n,50] y) { y = MatMul(x, w) }", tmp_path / "m.onnx", outside)
    onnx.save(onnx.load(plain), plain, save_as_external_data=True, location="m.bin", size_threshold=0)
    described, text = add_inspection(plain, {}, "")
    assert described["total_bytes"] == plain.stat().st_size + 8000
    assert described["graph"]["external_bytes"] == 8000
    assert "8.0 kB of them in m.bin" in text
    assert "with its external data" in text


@pytest.mark.parametrize("axes", ["?, 3, ?, ?", "n, 3, h, w", "n, 3, rows, columns"])
def test_free_heights_and_widths_are_those_of_pictures(tmp_path: Path, axes: str) -> None:
    text = f"g (float[{axes}] x) => (float[n, 3, p, q] y) {{ y = Identity(x) }}"
    assert dict(counted(text, tmp_path / "m.onnx").inputs)["x"] == (1, 3, 224, 224)
