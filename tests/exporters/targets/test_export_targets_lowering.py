"""Each way down to an older operator set, run by onnxruntime before and after."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from exporters.targets.file_format import set_ir_version
from exporters.targets.lowering import OLDEST_OPSET, every_node, lower, opset_version
from exporters.targets.quirks import plain_reshapes
from exporters.targets.raising import raise_opset
from exporters.targets.scope import CannotLower
from runtime.errors import CheckFailed

FLOATS = np.random.default_rng(0).normal(size=(2, 3, 6, 8)).astype(np.float32)


def build(
    nodes: list[onnx.NodeProto],
    constants: dict[str, Any] | None = None,
    *,
    opset: int,
    given: np.ndarray = FLOATS,
    outputs: int = 1,
) -> onnx.ModelProto:
    """x -> y0, y1, ... with a free first axis."""
    element = helper.np_dtype_to_tensor_dtype(given.dtype)
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", element, ["batch", *given.shape[1:]])],
        [onnx.ValueInfoProto(name=f"y{index}") for index in range(outputs)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    found = onnx.shape_inference.infer_shapes(model)
    types = {value.name: value for value in found.graph.output}
    del model.graph.output[:]
    model.graph.output.extend(types[f"y{index}"] for index in range(outputs))
    for value in model.graph.output:
        if not value.type.HasField("tensor_type"):  # onnx cannot tell; all such cases here keep the shape
            value.type.CopyFrom(model.graph.input[0].type)
    return model


def run(model: onnx.ModelProto, given: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, {"x": given}))


def same(model: onnx.ModelProto, opset: int, given: np.ndarray = FLOATS) -> onnx.ModelProto:
    """Lower a model; it must be well-formed and give the same at several batch sizes."""
    expected = {size: run(model, given[:size]) for size in (1, len(given))}
    lowered = lower(onnx.ModelProto.FromString(model.SerializeToString()), opset)
    onnx.checker.check_model(lowered, full_check=True)
    assert opset_version(lowered) == opset
    for size, arrays in expected.items():
        for before, after in zip(arrays, run(lowered, given[:size]), strict=True):
            np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)
    return lowered


def node(operator: str, inputs: str = "x", outputs: str = "y0", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


INTS = np.int64
CASES: dict[str, tuple[list[onnx.NodeProto], dict[str, Any], int, int]] = {
    "reduce over given axes": ([node("ReduceMean", "x axes")], {"axes": [1, -1]}, 20, 9),
    "reduce over all axes": ([node("ReduceMax", "x", keepdims=0)], {}, 20, 9),
    "reduce over no axes": ([node("ReduceProd", "x", noop_with_empty_axes=1)], {}, 20, 9),
    "sum": ([node("ReduceSum", "x axes", keepdims=0)], {"axes": [2]}, 20, 9),
    "squeeze and unsqueeze": ([node("Unsqueeze", "x axes", "a"), node("Squeeze", "a axes")], {"axes": [-1]}, 20, 9),
    "split evenly": ([node("Split", "x", "y0 y1 y2 y3", axis=-1, num_outputs=4)], {}, 20, 9),
    "split unevenly": ([node("Split", "x", "y0 y1 y2", axis=3, num_outputs=3)], {}, 20, 9),
    "split to lengths": ([node("Split", "x lengths", "y0 y1", axis=1)], {"lengths": [1, 2]}, 20, 9),
    "softmax over the last axis": ([node("Softmax", "x", axis=-1)], {}, 20, 9),
    "softmax over channels": ([node("Softmax", "x", axis=1)], {}, 20, 9),
    "log of softmax over rows": ([node("LogSoftmax", "x", axis=-2)], {}, 20, 9),
    "gelu": ([node("Gelu")], {}, 20, 9),
    "gelu by tanh": ([node("Gelu", approximate="tanh")], {}, 20, 9),
    "mish": ([node("Mish")], {}, 20, 9),
    "hard swish": ([node("HardSwish")], {}, 20, 9),
    "celu": ([node("Celu", alpha=0.7)], {}, 20, 9),
    "layer norm": (
        [node("LayerNormalization", "x scale bias")],
        {"scale": np.linspace(1, 2, 8, dtype=np.float32), "bias": np.linspace(-1, 1, 8, dtype=np.float32)},
        20,
        9,
    ),
    "layer norm over two axes, without a bias": (
        [node("LayerNormalization", "x scale", "y0 y1 y2", axis=2, epsilon=1e-2)],
        {"scale": np.linspace(1, 2, 48, dtype=np.float32).reshape(6, 8)},
        20,
        9,
    ),
    "group norm": (
        [node("GroupNormalization", "x scale bias", num_groups=3)],
        {"scale": np.array([1, 2, 3], np.float32), "bias": np.array([0, 1, 2], np.float32)},
        21,
        13,
    ),
    "triangle above": ([node("Trilu", "x k")], {"k": np.array(1, INTS)}, 20, 11),
    "triangle below": ([node("Trilu", "x", upper=0)], {}, 20, 11),
    "shape from the second axis on": ([node("Shape", "x", "s", start=1), node("ConstantOfShape", "s")], {}, 20, 9),
    "shape up to the last axis": ([node("Shape", "x", "s", end=-1), node("ConstantOfShape", "s")], {}, 20, 9),
    "reshape": ([node("Reshape", "x s", allowzero=1)], {"s": np.array([-1, 48], INTS)}, 20, 9),
    "pad some axes": (
        [node("Pad", "x pads  axes".replace("  ", " value "))],
        {"pads": [1, 2, 3, 0], "value": np.float32(2), "axes": [3, 1]},
        20,
        9,
    ),
    "pad by reflection": ([node("Pad", "x pads", mode="reflect")], {"pads": [0, 0, 1, 2, 0, 0, 2, 1]}, 20, 9),
    "resize by scales": (
        [helper.make_node("Resize", ["x", "", "scales"], ["y0"], mode="linear")],
        {"scales": np.array([1, 1, 2, 2], np.float32)},
        20,
        11,
    ),
    "resize of two axes": (
        [helper.make_node("Resize", ["x", "", "", "sizes"], ["y0"], mode="cubic", axes=[2, 3])],
        {"sizes": [5, 9]},
        20,
        17,
    ),
    "resize by copies": (
        [
            helper.make_node(
                "Resize", ["x", "", "scales"], ["y0"], coordinate_transformation_mode="asymmetric", nearest_mode="floor"
            )
        ],
        {"scales": np.array([1, 1, 2, 2], np.float32)},
        20,
        9,
    ),
    "grid sample": (
        [
            node("Slice", "x zero two one", "a"),
            node("Transpose", "a", "g", perm=[0, 2, 3, 1]),
            node("GridSample", "x g", mode="linear"),
        ],
        {"zero": [0], "two": [2], "one": [1]},
        20,
        16,
    ),
    "clip": ([node("Clip", "x least most")], {"least": np.float32(-0.5), "most": np.float32(0.5)}, 20, 9),
    "power of another type": ([node("Pow", "x two")], {"two": np.array(2, INTS)}, 20, 9),
    "dropout that is off": ([node("Dropout", "x ratio")], {"ratio": np.float32(0.5)}, 20, 9),
    "greatest": ([node("TopK", "x k", "y0 y1", axis=-1)], {"k": [3]}, 20, 9),
    "range of an axis": ([node("Slice", "x start end axes")], {"start": [1], "end": [-1], "axes": [-2]}, 20, 9),
    "constants of many kinds": (
        [
            helper.make_node("Constant", [], ["a"], value_float=2.0),
            helper.make_node("Constant", [], ["axes"], value_ints=[1]),
            node("ReduceSum", "x axes", "b"),
            node("Mul", "a b"),
        ],
        {},
        20,
        9,
    ),
    "root mean square": ([node("RMSNormalization", "x scale")], {"scale": np.ones(8, np.float32)}, 23, 9),
    "at least": ([node("GreaterOrEqual", "x zero", "c"), node("Where", "c x zero")], {"zero": np.float32(0)}, 20, 11),
}


@pytest.mark.parametrize("name", CASES)
def test_an_operator_means_the_same_in_an_older_set(name: str) -> None:
    nodes, constants, opset, lowest = CASES[name]
    arrays = {key: np.asarray(value, INTS) if isinstance(value, list) else value for key, value in constants.items()}
    model = build(nodes, arrays, opset=opset, outputs=max(sum(o.startswith("y") for o in n.output) for n in nodes))
    for version in sorted({max(version, lowest) for version in (18, 17, 13, 12, 11, 10, 9)}):
        if version < opset:
            same(model, version)


def test_half_precision_is_normalised_in_float32() -> None:
    given = FLOATS.astype(np.float16)
    scale = np.ones(8, np.float16)
    model = build([node("LayerNormalization", "x scale")], {"scale": scale}, opset=17, given=given)
    lowered = lower(onnx.ModelProto.FromString(model.SerializeToString()), 16)
    assert [entry.op_type for entry in lowered.graph.node].count("Cast") == 2
    np.testing.assert_allclose(run(lowered, given)[0], run(model, given)[0], atol=2e-3)


@settings(max_examples=25, deadline=None)
@given(axis=st.integers(-4, 3), opset=st.sampled_from([12, 11, 9]))
def test_softmax_over_any_axis(axis: int, opset: int) -> None:
    same(build([node("Softmax", "x", axis=axis)], opset=20), opset)


@settings(max_examples=25, deadline=None)
@given(length=st.integers(2, 17), count=st.integers(2, 5))
def test_split_into_any_shares(length: int, count: int) -> None:
    share = -(-length // count)
    if share * (count - 1) >= length:
        return  # the last share would be empty
    given_rows = np.arange(2 * length, dtype=np.float32).reshape(2, length)
    outputs = " ".join(f"y{index}" for index in range(count))
    model = build([node("Split", "x", outputs, axis=1, num_outputs=count)], opset=18, given=given_rows, outputs=count)
    same(model, 13, given_rows)
    same(model, 11, given_rows)


def test_branches_and_loops_are_lowered_too() -> None:
    def branch(operator: str) -> onnx.GraphProto:
        value = helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node(operator, ["x"], ["inner"])], operator, [], [value])

    choice = helper.make_node("If", ["yes"], ["y0"], then_branch=branch("Gelu"), else_branch=branch("Mish"))
    nodes = [node("ReduceSum", "x", "sum", keepdims=0), node("Greater", "sum zero", "yes"), choice]
    model = build(nodes, {"zero": np.float32(0)}, opset=20)
    lowered = same(model, 11)
    assert {"Gelu", "Mish"}.isdisjoint(entry.op_type for entry in every_node(lowered.graph))
    same(model, 11, -FLOATS)


def test_functions_of_the_model_are_written_out() -> None:
    model = build([helper.make_node("Relu", ["x"], ["y0"])], opset=20)
    function = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 20)]
    )
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.graph.node[0].CopyFrom(helper.make_node("Twice", ["x"], ["y0"], domain="own"))
    lowered = same(model, 13)
    assert not lowered.functions


def test_int8_with_a_scale_for_each_channel_needs_13_and_one_scale_does_not() -> None:
    def quantised(scale: np.ndarray, zero: np.ndarray) -> onnx.ModelProto:
        nodes = [node("QuantizeLinear", "x scale zero", "q", axis=1), node("DequantizeLinear", "q scale zero", axis=1)]
        return build(nodes, {"scale": scale, "zero": zero}, opset=20)

    many = quantised(np.array([0.1, 0.2, 0.3], np.float32), np.zeros(3, np.int8))
    same(many, 13)
    with pytest.raises(CannotLower, match=r"QuantizeLinear with a scale for each channel came with opset 13"):
        lower(many, 12)
    same(quantised(np.array([0.1], np.float32), np.zeros(1, np.int8)), 10)


@pytest.mark.parametrize(
    ("nodes", "constants", "opset", "words"),
    [
        ([helper.make_node("Resize", ["x", "", "s"], ["y0"], antialias=1, mode="linear")], {"s": np.ones(4, np.float32)}, 17, "antialias"),
        ([node("Pad", "x p", mode="wrap")], {"p": np.zeros(8, INTS)}, 18, "mode 'wrap'"),
        ([node("Shape", "x", "s"), node("Gather", "s at", "axes"), node("ReduceMean", "x axes")], {"at": np.array([1], INTS)}, 17, "computed in the graph"),
        ([node("AveragePool", "x", kernel_shape=[2, 2], dilations=[2, 2])], {}, 18, r"dilations=\[2, 2\] came with opset 19"),
        ([node("GatherND", "x at", batch_dims=1)], {"at": np.zeros((2, 1), INTS)}, 11, "batch_dims=1 came with opset 12"),
    ],
)  # fmt: skip
def test_what_an_older_set_cannot_say_is_refused_by_name(
    nodes: list[onnx.NodeProto], constants: dict[str, Any], opset: int, words: str
) -> None:
    with pytest.raises(CannotLower, match=words):
        lower(build(nodes, constants, opset=20), opset)


def test_metadata_and_names_stay() -> None:
    model = build([node("Gelu")], opset=20)
    helper.set_model_props(model, {"card": "told"})
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    lowered = lower(model, 11)
    assert [(entry.key, entry.value) for entry in lowered.metadata_props] == [("card", "told")]
    assert lowered.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert [value.name for value in (*lowered.graph.input, *lowered.graph.output)] == ["x", "y0"]


def test_constants_that_became_attributes_are_gone() -> None:
    lowered = lower(build([node("ReduceMean", "x axes")], {"axes": np.array([1], INTS)}, opset=20), 11)
    assert not lowered.graph.initializer


def test_a_newer_set_only_stamps_what_means_the_same() -> None:
    model = build([node("Relu", "x", "a"), node("Softmax", "a", axis=1)], opset=17)
    raised = raise_opset(onnx.ModelProto.FromString(model.SerializeToString()), 22)
    assert opset_version(raised) == 22
    assert list(raised.graph.node) == list(model.graph.node)
    np.testing.assert_allclose(run(raised, FLOATS)[0], run(model, FLOATS)[0])


def test_a_newer_set_rewrites_what_changed() -> None:
    model = build([node("ReduceMean", "x", axes=[1]), ], opset=13)  # fmt: skip
    helper.set_model_props(model, {"card": "told"})
    raised = raise_opset(onnx.ModelProto.FromString(model.SerializeToString()), 20)
    assert opset_version(raised) == 20
    assert [(entry.key, entry.value) for entry in raised.metadata_props] == [("card", "told")]
    np.testing.assert_allclose(run(raised, FLOATS)[0], run(model, FLOATS)[0])


@pytest.mark.parametrize("opset", [13, 17])  # its meaning changed with 13
def test_softmax_of_old_means_all_axes_from_one_on_when_raised(opset: int) -> None:
    model = build([node("Softmax", "x", axis=1)], opset=11)
    raised = raise_opset(onnx.ModelProto.FromString(model.SerializeToString()), opset)
    np.testing.assert_allclose(run(raised, FLOATS)[0], run(model, FLOATS)[0], rtol=1e-5)


def test_reshapes_lose_an_attribute_that_says_nothing() -> None:
    model = build([node("Reshape", "x s", allowzero=1)], {"s": np.array([-1, 48], INTS)}, opset=20)
    assert plain_reshapes(model) == 1
    assert not model.graph.node[0].attribute
    empty = build([node("Reshape", "x s", allowzero=1)], {"s": np.array([0, 48], INTS)}, opset=20)
    assert plain_reshapes(empty, computed=True) == 0


def test_the_file_format_is_refused_for_what_it_cannot_hold() -> None:
    model = build([node("Relu")], opset=20)
    model.graph.node[0].metadata_props.add(key="where", value="there")
    set_ir_version(model, 7)
    assert model.ir_version == 7
    assert not model.graph.node[0].metadata_props
    model.graph.initializer.append(helper.make_tensor("small", TensorProto.INT4, [2], [1, 2]))
    with pytest.raises(CheckFailed, match="INT4 numbers, which came with IR version 10"):
        set_ir_version(model, 9)


def cases_of_onnx() -> list[Any]:
    """ONNX's own tests of its operators: models with inputs and outputs."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [case for case in collect_testcases(None) if {entry.domain for entry in case.model.opset_import} == {""}]


def close(found: Any, expected: Any) -> bool:
    """Whether two arrays are alike, infinities included; texts are compared as they are."""
    found, expected = np.asarray(found), np.asarray(expected)
    if found.dtype.kind not in "fiub":
        return bool(np.array_equal(found, expected))
    alike = np.allclose(found.astype(float), expected.astype(float), rtol=2e-3, atol=1e-3, equal_nan=True)
    return found.shape == expected.shape and alike


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("version", [20, 17, 13, 11, 9])
def test_onnx_own_cases_of_every_operator_come_out_the_same_or_are_refused(version: int) -> None:
    lowered = 0
    for case in cases_of_onnx():
        base = opset_version(case.model)
        for inputs, expected in case.data_sets:
            values = {value.name: array for value, array in zip(case.model.graph.input, inputs, strict=False)}
            if base <= version or any(not isinstance(array, np.ndarray) for array in (*inputs, *expected)):
                continue
            try:
                model = lower(onnx.ModelProto.FromString(case.model.SerializeToString()), version)
                model.ir_version = min(model.ir_version, 10)
                before = onnx.ModelProto.FromString(case.model.SerializeToString())
                before.ir_version = 10
                sessions = [
                    onnxruntime.InferenceSession(entry.SerializeToString(), providers=["CPUExecutionProvider"])
                    for entry in (before, model)
                ]
                reference, found = (session.run(None, values) for session in sessions)
            except CannotLower:
                continue
            except Exception:  # onnxruntime has no kernel for that type, in the old set or the new one
                continue
            if not all(map(close, reference, expected)):
                continue  # onnxruntime itself says otherwise than ONNX there, or the numbers are random
            lowered += 1
            assert all(map(close, found, expected)), case.name
    assert lowered > 300


def test_the_oldest_set_is_said() -> None:
    assert OLDEST_OPSET == 9
