"""A file is opened, what is given to it is checked, and it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import runtime.session
from runtime.errors import CardError, DeviceError, InputError, ModelFileError, ToolkitError
from runtime.session import Session, Tensor
from runtime.session.providers import Device, DeviceWarning, Unavailable

X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(scope="module")
def plain(plain_model: Path) -> Session:
    return Session(plain_model, "cpu")


def identity(onnx_file: Callable[..., Path], value: Any, output: Any) -> Path:
    return onnx_file([("Identity", ["x"], ["y"], {})], [value], [output])


# ---- opening ----------------------------------------------------------------------------------------------------------


def test_a_file_tells_its_inputs_outputs_and_card(plain: Session, digit_model: Path) -> None:
    assert plain.inputs == (Tensor("x", "float32", ("N", 3)),)
    assert [str(tensor) for tensor in plain.outputs] == ["double: float32 (N, 3)", "total: float32 (N)"]
    assert (plain.card, plain.metadata, plain.fixed_batch) == (None, {}, None)
    trained = Session(digit_model, "cpu")
    assert trained.card.task == "classification"
    assert trained.card.inputs[0].name == trained.inputs[0].name
    assert [tensor.name for tensor in trained.outputs] == [output.name for output in trained.card.outputs]
    assert trained.metadata["Image.NominalPixelRange"] == "Normalized_0_1"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.onnx", None, "does not exist"),
        (".", None, "is a folder"),
        ("empty.onnx", b"", "is not an ONNX model that onnxruntime can open"),
        ("text.onnx", b"hello", "fetch it again; else make it again"),
        ("best.pth", b"PK\x03\x04", "toolkit export"),
    ],
)
def test_what_is_no_model_is_refused_with_what_to_do(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        Session(path, "cpu")
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_a_damaged_file_still_runs_or_is_a_toolkit_error(
    tmp_path_factory: pytest.TempPathFactory, digit_model: Path, data: st.DataObject
) -> None:
    whole = bytearray(digit_model.read_bytes())
    tail = data.draw(st.booleans())  # the card is in the last 2 kB, and is damaged as often as the graph
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(len(whole) - 2000 if tail else 0, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(whole[: data.draw(st.just(len(whole)) | st.integers(0, len(whole)))])
    try:
        session = Session(path, "cpu")
        session.run({session.inputs[0].name: np.zeros((1, 1, 8, 8), np.float32)})
    except ToolkitError as error:
        assert "\n" not in str(error)


def test_text_in_the_file_that_is_not_utf_8_is_said_to_be_damage(tmp_path: Path, digit_model: Path) -> None:
    content = digit_model.read_bytes()
    assert content.count(b"Image.ColorSpaceGamma") == 1
    (tmp_path / "model.onnx").write_bytes(content.replace(b"Image.ColorSpaceGamma", b"Image.\xffolorSpaceGamma"))
    with pytest.raises(ModelFileError, match="is damaged: a text in it is not UTF-8"):
        Session(tmp_path / "model.onnx", "cpu")


def test_a_malformed_card_is_a_card_error(onnx_file: Callable[..., Path]) -> None:
    value = ("x", TensorProto.FLOAT, ["N"])
    path = onnx_file([("Identity", ["x"], ["y"], {})], [value], [("y", TensorProto.FLOAT, ["N"])], "{}")
    with pytest.raises(CardError, match="version None"):
        Session(path, "cpu")


@pytest.mark.parametrize("threads", [0, -1, "2", 1.5])
def test_a_senseless_number_of_threads_is_refused(plain_model: Path, threads: Any) -> None:
    with pytest.raises(InputError, match="at least 1 is expected"):
        Session(plain_model, "cpu", threads=threads)


def test_threads_that_would_fill_the_memory_are_refused(plain_model: Path) -> None:
    with pytest.raises(InputError, match="at most 1024 are started"):
        Session(plain_model, "cpu", threads=10**8)


def test_what_onnxruntime_prints_when_a_file_fails_stays_out_of_the_output(
    tmp_path: Path, digit_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(digit_model.read_bytes())
    content = content.replace(b"Softmax", b"Softm\xe9x")
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ModelFileError):
        Session(tmp_path / "model.onnx", "cpu")
    assert capfd.readouterr() == ("", "")


# ---- running ----------------------------------------------------------------------------------------------------------


def test_it_gives_the_outputs_by_name_all_or_those_asked_for(plain: Session) -> None:
    found = plain.run({"x": X})
    np.testing.assert_array_equal(found["double"], 2 * X)
    np.testing.assert_array_equal(found["total"], (2 * X).sum(1))
    assert list(plain.run({"x": X}, ["total"])) == ["total"]
    assert plain.run({"x": X}, ["total", "total"]).keys() == {"total"}
    assert plain.run({"x": X}, []) == {}
    assert plain.run({"x": X[:0]})["double"].shape == (0, 3)


@pytest.mark.parametrize("operator", ["LSTM", "GRU"])
@pytest.mark.parametrize("shape", [(5, 0, 2), (0, 3, 2), (0, 0, 2)])
def test_an_empty_input_of_a_recurrent_layer_is_refused(
    onnx_file: Callable[..., Path], operator: str, shape: tuple[int, ...]
) -> None:
    """onnxruntime ends the process on some of these."""
    gates = {"LSTM": 4, "GRU": 3}[operator]
    weights = {"w": np.zeros((1, 3 * gates, 2), np.float32), "r": np.zeros((1, 3 * gates, 3), np.float32)}
    nodes = [(operator, ["x", "w", "r"], ["y"], {"hidden_size": 3})]
    session = Session(onnx_file(nodes, [("x", 1, ["L", "N", 2])], [("y", 1, None)], **weights), "cpu")
    with pytest.raises(InputError, match=r"is empty, and .* has a recurrent layer"):
        session.run({"x": np.zeros(shape, np.float32)})
    assert session.run({"x": np.zeros((5, 1, 2), np.float32)})["y"].shape == (5, 1, 1, 3)


@pytest.mark.parametrize("x", [np.asfortranarray(X), X[::-1], np.concatenate([X, X], axis=1)[:, ::2]])
def test_arrays_may_lie_in_memory_as_they_like(plain: Session, x: np.ndarray) -> None:
    np.testing.assert_array_equal(plain.run({"x": x})["double"], 2 * x)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "The inputs [] were given"),
        ({"y": X}, "Give a mapping with the keys ['x']"),
        ({"x": X, 1: X}, "The inputs ['x', 1] were given"),
        (X, "The type ndarray was given"),
        (X[:1], "takes x: float32 (N, 3)"),
        ([X], "The type list was given"),
        ({"x": X.astype(np.float64)}, "is float64 of shape (2, 3); float32 of shape (N, 3) is expected. Cast it"),
        ({"x": X[0]}, "shape (3,)"),
        ({"x": X[:, :2]}, "shape (2, 2)"),
        ({"x": X.astype(">f8")}, "is >f8 of shape (2, 3); float32 of shape (N, 3) is expected. Cast it"),
        ({"x": X[0].tolist()}, "is a list of float64 numbers of shape (3,); float32 of shape (N, 3) is expected."),
        ({"x": {1.0}}, "is a set; float32 of shape (N, 3) is expected. Give a NumPy array"),
        ({"x": None}, "float32 (N, 3)"),
    ],
)
def test_what_does_not_fit_says_what_was_given_and_what_is_expected(plain: Session, inputs: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        plain.run(inputs)
    assert words in str(caught.value)


@given(st.lists(st.integers(0, 4), max_size=3), st.sampled_from(["float32", "float64", "int8", "bool", "U1", "object"]))
@settings(deadline=None)
def test_any_array_fits_or_is_an_input_error(plain: Session, shape: list[int], dtype: str) -> None:
    array = np.zeros(shape, dtype)
    if dtype == "float32" and len(shape) == 2 and shape[1] == 3:
        assert plain.run({"x": array})["total"].shape == (shape[0],)
    else:
        with pytest.raises(InputError, match="float32 of shape"):
            plain.run({"x": array})


@pytest.mark.parametrize(("name", "words"), [("totl", "Did you mean 'total'?"), (1, "Known names: double, total.")])
def test_an_unknown_output_is_refused_with_a_suggestion(plain: Session, name: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        plain.run({"x": X}, [name])
    assert words in str(caught.value)


def test_a_failure_inside_the_model_is_one_paragraph(onnx_file: Callable[..., Path]) -> None:
    path = onnx_file(
        [("Reshape", ["x", "shape"], ["y"], {})],
        [("x", TensorProto.FLOAT, ["N"])],
        [("y", TensorProto.FLOAT, [4])],
        shape=np.array([4], np.int64),
    )
    with pytest.raises(ModelFileError, match="failed while running") as caught:
        Session(path, "cpu").run({"x": np.zeros(3, np.float32)})
    assert "\n" not in str(caught.value)


def test_a_session_survives_its_errors(plain: Session) -> None:
    for _ in range(3):
        with pytest.raises(InputError):
            plain.run({"x": X[0]})
        np.testing.assert_array_equal(plain.run({"x": X})["double"], 2 * X)


# ---- files from elsewhere ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float64", "bool", "int8", "uint8", "int32", "int64", "uint64"])
def test_every_dtype_of_numpy_goes_through(onnx_file: Callable[..., Path], dtype: str) -> None:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    session = Session(identity(onnx_file, ("x", kind, ["N", 2]), ("y", kind, ["N", 2])), "cpu")
    array = np.ones((3, 2), dtype)
    assert session.inputs[0].dtype == dtype
    np.testing.assert_array_equal(session.run({"x": array})["y"], array)


def test_text_goes_through_as_objects(onnx_file: Callable[..., Path]) -> None:
    session = Session(identity(onnx_file, ("x", TensorProto.STRING, ["N"]), ("y", TensorProto.STRING, ["N"])), "cpu")
    assert session.run({"x": np.array(["a", "ß"], object)})["y"].tolist() == ["a", "ß"]
    assert session.run({"x": np.array(["a", "ß"])})["y"].tolist() == ["a", "ß"]


def test_an_input_whose_rank_is_open_takes_any(onnx_file: Callable[..., Path]) -> None:
    session = Session(identity(onnx_file, ("x", TensorProto.FLOAT, None), ("y", TensorProto.FLOAT, None)), "cpu")
    for array in (X, X[0], np.ones((), np.float32)):
        np.testing.assert_array_equal(session.run({"x": array})["y"], array)


def test_a_file_with_an_input_that_numpy_cannot_hold_opens_and_says_so_when_run(onnx_file: Callable[..., Path]) -> None:
    path = identity(onnx_file, ("x", TensorProto.BFLOAT16, ["N"]), ("y", TensorProto.BFLOAT16, ["N"]))
    session = Session(path, "cpu")
    assert "bfloat16" in session.inputs[0].dtype
    with pytest.raises(InputError, match="which no NumPy array can be"):
        session.run({"x": np.zeros(3, np.float32)})


@pytest.mark.parametrize(("lengths", "fixed"), [(["N", 3], None), ([4, 3], 4), ([], None)])
def test_a_batch_size_that_the_file_insists_on_is_known(
    onnx_file: Callable[..., Path], lengths: list[Any], fixed: int | None
) -> None:
    path = identity(onnx_file, ("x", TensorProto.FLOAT, lengths), ("y", TensorProto.FLOAT, lengths))
    assert Session(path, "cpu").fixed_batch == fixed


def test_the_session_for_many_workers_gives_the_same_results(digit_model: Path) -> None:
    session = Session(digit_model, "cpu")
    assert session.single_threaded is session.single_threaded is not session
    assert session.single_threaded.threads == 1
    rows = np.random.default_rng(0).random((4, 1, 8, 8), dtype=np.float32)
    for name, values in session.run({session.inputs[0].name: rows}).items():
        found = session.single_threaded.run({session.inputs[0].name: rows}, [name])[name]
        np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-6)
    chosen = Session(digit_model, "cpu", threads=2)
    assert chosen.single_threaded is chosen


# ---- devices ----------------------------------------------------------------------------------------------------------

MISSING = Unavailable("the library libX.so is missing.", "Install it.")


def planned(monkeypatch: pytest.MonkeyPatch, device: Device) -> None:
    """Let `plan` answer with this device, while the CPU's provider is what really runs."""
    monkeypatch.setattr(runtime.session.session, "plan", lambda _asked: ([("CPUExecutionProvider", {})], device))


def test_another_device_than_the_one_asked_for_is_a_warning_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, plain_model: Path
) -> None:
    planned(monkeypatch, Device("cuda", "cpu", MISSING))
    with pytest.warns(
        DeviceWarning, match=r"cuda was asked for, but cpu runs: the library libX\.so is missing\. Install"
    ):
        session = Session(plain_model, "cuda")
    np.testing.assert_array_equal(session.run({"x": X})["double"], 2 * X)


def test_a_required_device_that_cannot_run_is_an_error_before_the_file_is_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    planned(monkeypatch, Device("cuda", "cpu", MISSING))
    with pytest.raises(DeviceError, match=r"'cuda' was required, but only cpu could run: the library libX\.so"):
        Session(tmp_path / "missing.onnx", "cuda", require_device=True)


def test_a_session_that_falls_back_is_found_out(monkeypatch: pytest.MonkeyPatch, plain_model: Path) -> None:
    planned(monkeypatch, Device("cuda:1", "cuda:1"))
    with pytest.warns(DeviceWarning, match="onnxruntime could not start its cuda provider"):
        session = Session(plain_model, "cuda:1")
    assert (session.device.asked, session.device.name) == ("cuda:1", "cpu")
    with pytest.raises(DeviceError, match="toolkit doctor"):
        Session(plain_model, "cuda:1", require_device=True)


def test_tensorrt_that_falls_back_to_cuda_stays_on_its_gpu(monkeypatch: pytest.MonkeyPatch, plain_model: Path) -> None:
    planned(monkeypatch, Device("tensorrt:1", "tensorrt:1"))
    chain = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime.InferenceSession, "get_providers", lambda _session: chain)
    with pytest.warns(DeviceWarning, match="tensorrt:1 was asked for, but cuda:1 runs"):
        assert Session(plain_model, "tensorrt:1").device.name == "cuda:1"


def test_auto_that_falls_back_is_no_warning_but_is_told(monkeypatch: pytest.MonkeyPatch, plain_model: Path) -> None:
    planned(monkeypatch, Device("auto", "cuda:0"))
    session = Session(plain_model, "auto", require_device=True)
    assert session.device.name == "cpu"
    assert "the GPU is not used: onnxruntime could not start its cuda provider" in session.device.explain()


def test_the_cpu_can_be_required(plain_model: Path) -> None:
    assert Session(plain_model, "cpu", require_device=True).device == Device("cpu", "cpu")
