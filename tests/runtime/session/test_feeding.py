"""What onnxruntime takes is taken, with nothing lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

import runtime
from runtime.errors import CardError, InputError, ModelFileError
from runtime.session import Session, Tensor
from runtime.session.bench import bench, random_inputs
from runtime.session.describe import describe_file

F32 = np.float32
Files = Callable[..., Path]


def identity(onnx_file: Files, kind: int, shape: Any = ("N",)) -> Session:
    return Session(onnx_file([("Identity", ["x"], ["y"], {})], [("x", kind, shape)], [("y", kind, shape)]), "cpu")


def sequence(name: str, kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_sequence_value_info(name, kind, None)


def optional(name: str, *, of_sequence: bool = False) -> Any:
    inner = helper.make_tensor_type_proto(TensorProto.FLOAT, [2])
    inner = helper.make_sequence_type_proto(inner) if of_sequence else inner
    return helper.make_value_info(name, helper.make_optional_type_proto(inner))


@pytest.fixture(scope="module")
def overridable(onnx_file: Files) -> Path:
    """y = x + w, where w is an initializer that is listed among the inputs."""
    inputs = [("x", TensorProto.FLOAT, ["N", 2]), ("w", TensorProto.FLOAT, [2])]
    w = np.array([1, 2], F32)
    return onnx_file([("Add", ["x", "w"], ["y"], {})], inputs, [("y", TensorProto.FLOAT, ["N", 2])], w=w)


@pytest.fixture(scope="module")
def sequences(onnx_file: Files) -> Session:
    nodes = [("Identity", ["x"], ["y"], {}), ("SequenceLength", ["x"], ["length"], {})]
    return Session(onnx_file(nodes, [sequence("x")], [sequence("y"), ("length", TensorProto.INT64, [])]), "cpu")


def test_an_initializer_among_the_inputs_may_be_given(overridable: Path) -> None:
    model = runtime.load(overridable, "cpu")
    assert [tensor.name for tensor in model.inputs] == ["x"]
    assert model.optional_inputs == (Tensor("w", "float32", (2,)),)
    x = np.ones((1, 2), F32)
    for given, expected in (
        ({}, [[2, 3]]),
        ({"w": None}, [[2, 3]]),
        ({"w": np.zeros(2, F32)}, [[1, 1]]),
        ({"w": [5, 6]}, [[6, 7]]),
    ):
        assert model.run({"x": x, **given})["y"].tolist() == expected
    for wrong, words in (
        ({"w": np.zeros(3, F32)}, "float32 of shape \\(2\\) is expected"),
        ({"v": x}, "as you like w: float32"),
    ):
        with pytest.raises(InputError, match=words):
            model.run({"x": x, **wrong})
    with pytest.raises(InputError, match="Give a mapping with the keys \\['x'\\]"):
        model.run({"w": np.zeros(2, F32)})


@pytest.mark.parametrize("of_sequence", [False, True])
def test_an_optional_input_may_be_left_out(onnx_file: Files, of_sequence: bool) -> None:
    there = [("there", TensorProto.BOOL, [])]
    path = onnx_file([("OptionalHasElement", ["x"], ["there"], {})], [optional("x", of_sequence=of_sequence)], there)
    session = Session(path, "cpu")
    value = np.ones(2, F32)
    assert session.inputs == ()
    assert [
        session.run(feeds)["there"].item() for feeds in ({}, {"x": None}, {"x": [value] if of_sequence else value})
    ] == [
        False,
        False,
        True,
    ]
    with pytest.raises(InputError, match="is expected"):
        session.run({"x": np.ones(3, F32)})
    facts, text = describe_file(path)
    assert facts["optional_inputs"][0]["name"] == "x" and "may be left out" in text
    assert bench(session, (1,), seconds=0.01, warm_up=0)[0].runs > 0


def test_a_sequence_takes_a_list_of_arrays(sequences: Session) -> None:
    assert str(sequences.inputs[0]) == "x: seq(tensor(float))"
    arrays = [np.ones(2, F32), np.zeros((3, 1), F32)]
    found = sequences.run({"x": arrays})
    assert found["length"] == 2
    assert all(np.array_equal(a, b) for a, b in zip(found["y"], arrays, strict=True))
    assert sequences.run({"x": []})["length"] == 0
    assert sequences.run({"x": ([1, 2.5], 3)})["y"][0].tolist() == [1, 2.5]
    for wrong, words in (
        (np.ones((3, 2), F32), "a list of float32 arrays is expected"),
        ([np.ones(2)], r"Entry 0 .* is float64 of shape \(2,\); .*Cast it"),
        ([None], "is a NoneType"),
        (None, "takes x: seq"),
    ):
        with pytest.raises(InputError, match=words):
            sequences.run({"x": wrong})


def test_a_sequence_has_no_rows_and_is_measured_with_the_lengths_that_are_told(sequences: Session) -> None:
    assert (sequences.batch.name, sequences.fixed_batch) == (None, None)
    with pytest.raises(InputError, match=r"--length x=3 --length x\.0=100"):
        random_inputs(sequences, 1)
    lengths = {"x": 3, "x.0": 4, "x.1": 5}
    assert [array.shape for array in random_inputs(sequences, 1, lengths=lengths)["x"]] == [(4, 5)] * 3
    assert [timing.batch_size for timing in bench(sequences, (1, 8), seconds=0.01, lengths=lengths)] == [1]
    with pytest.raises(CardError, match="which has no rows"):
        runtime.load(sequences.path, "cpu").embed(np.ones((2, 2), F32), output="y")


def test_an_output_that_is_a_sequence_is_no_row_an_input(onnx_file: Files) -> None:
    path = onnx_file([("SplitToSequence", ["x"], ["y"], {})], [("x", TensorProto.FLOAT, ["N", 2])], [sequence("y")])
    model = runtime.load(path, "cpu")
    assert len(model.run({"x": np.ones((3, 2), F32)})["y"]) == 3
    with pytest.raises(InputError, match="it is a list for"):
        model.embed(np.ones((3, 2), F32), output="y")


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (TensorProto.FLOAT, [1, 2.5, True], [1, 2.5, 1]),
        (TensorProto.FLOAT, (0.1,), [F32(0.1)]),
        (TensorProto.FLOAT, [float("inf"), float("nan")], [np.inf, np.nan]),
        (TensorProto.FLOAT, [], []),
        (TensorProto.FLOAT, np.array([1, 2], ">f4"), [1, 2]),
        (TensorProto.FLOAT16, [1.0], [1]),
        (TensorProto.INT64, [1, -2], [1, -2]),
        (TensorProto.INT64, [3.0], [3]),
        (TensorProto.INT64, [], []),
        (TensorProto.UINT8, [255], [255]),
        (TensorProto.UINT64, [2**63], [2**63]),
        (TensorProto.BOOL, [True, 0], [True, False]),
    ],
)
def test_numbers_of_a_list_become_the_dtype_of_the_input(
    onnx_file: Files, kind: int, given: Any, expected: Any
) -> None:
    session = identity(onnx_file, kind)
    found = session.run({"x": given})["y"]
    assert found.dtype == session.inputs[0].dtype
    np.testing.assert_array_equal(found, np.array(expected, found.dtype))


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (TensorProto.INT64, [1.5]),
        (TensorProto.INT64, [float("nan")]),
        (TensorProto.INT64, [2**63]),
        (TensorProto.INT64, [2**70]),
        (TensorProto.INT8, [200]),
        (TensorProto.UINT64, [-1]),
        (TensorProto.BOOL, [2]),
        (TensorProto.FLOAT16, [70_000]),
        (TensorProto.FLOAT, [1j]),
        (TensorProto.FLOAT, ["1"]),
        (TensorProto.FLOAT, [[1], [2, 3]]),
        (TensorProto.FLOAT, [[1.0]]),
        (TensorProto.FLOAT, 1.0),
        (TensorProto.FLOAT, {1.0}),
        (TensorProto.FLOAT, np.float64(1)),
    ],
)
def test_numbers_that_would_change_are_refused(onnx_file: Files, kind: int, given: Any) -> None:
    """onnxruntime itself makes 1 of 1.5."""
    with pytest.raises(InputError, match=r"of shape \(N\) is expected"):
        identity(onnx_file, kind).run({"x": given})


@pytest.mark.parametrize("given", [1.5, np.float32(1.5), np.array(1.5, F32), np.array(1.5, ">f4")])
def test_one_number_is_taken_where_one_is_expected(onnx_file: Files, given: Any) -> None:
    assert identity(onnx_file, TensorProto.FLOAT, []).run({"x": given})["y"] == F32(1.5)


@pytest.mark.parametrize(
    "given",
    [
        ["a", "ß"],
        ("a", b"\xc3\x9f"),
        np.array(["a", "ß"]),
        np.array([b"a", "ß".encode()]),
        np.array(["a", "ß"], object),
        np.array([b"a", "ß".encode()], object),
    ],
)
def test_texts_are_taken_from_lists_arrays_and_bytes(onnx_file: Files, given: Any) -> None:
    """onnxruntime itself reads arrays of bytes beyond their end, and makes "b'a'" of bytes among objects."""
    assert identity(onnx_file, TensorProto.STRING).run({"x": given})["y"].tolist() == ["a", "ß"]


@pytest.mark.parametrize("given", [[b"\xff"], [None], [float("nan")], [["a"], ["b", "c"]], "a", np.ones(2, F32)])
def test_what_is_no_text_is_refused(onnx_file: Files, given: Any) -> None:
    with pytest.raises(InputError, match=r"texts \(object\) of shape \(N\)"):
        identity(onnx_file, TensorProto.STRING).run({"x": given})


def test_texts_are_made_up_for_a_measurement(onnx_file: Files) -> None:
    assert bench(identity(onnx_file, TensorProto.STRING), (3,), seconds=0.01, warm_up=0)[0].batch_size == 3


def test_a_value_of_onnxruntime_is_taken(onnx_file: Files) -> None:
    session = identity(onnx_file, TensorProto.FLOAT)
    value = onnxruntime.OrtValue.ortvalue_from_numpy(np.ones(3, F32))
    assert session.run({"x": value})["y"].tolist() == [1, 1, 1]
    with pytest.raises(InputError, match="is an OrtValue of int64; float32 is expected"):
        session.run({"x": onnxruntime.OrtValue.ortvalue_from_numpy(np.ones(3, np.int64))})


def test_what_numpy_cannot_hold_is_taken_as_a_value_of_onnxruntime(onnx_file: Files) -> None:
    nodes = [("Cast", ["x"], ["y"], {"to": TensorProto.FLOAT})]
    path = onnx_file(nodes, [("x", TensorProto.BFLOAT16, ["N"])], [("y", TensorProto.FLOAT, ["N"])])
    half = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(np.array([0x3F80], np.uint16), TensorProto.BFLOAT16)
    assert Session(path, "cpu").run({"x": half})["y"].tolist() == [1]
    with pytest.raises(InputError, match=r"Give an onnxruntime\.OrtValue"):
        Session(path, "cpu").run({"x": np.ones(1, F32)})


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_file_is_opened_from_its_content(digit_model: Path, digit_files: Path, kind: type) -> None:
    one = digit_files / "6" / "0.png"
    model = runtime.load(kind(digit_model.read_bytes()), "cpu")
    beside = runtime.load(digit_model, "cpu")
    assert model.predict(one).to_dict() == beside.predict(one).to_dict()
    assert model.digest == beside.digest
    assert model.space() == beside.space()
    assert model.session.single_threaded.threads == 1
    many = [one] * 40
    assert [found.label for found in model.predict(many)] == [found.label for found in beside.predict(many)]


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_content_that_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(ModelFileError, match=r"<bytes> is not an ONNX model .* Give the whole content"):
        runtime.load(content, "cpu")
