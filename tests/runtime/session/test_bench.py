"""Measurements on random inputs. Nothing here depends on how fast the machine is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from runtime.card import ImageInput, InputCard, ModelCard, SequenceInput
from runtime.errors import InputError
from runtime.session import Session
from runtime.session.bench import bench, random_inputs
from runtime.session.memory import peak_memory

BRIEF = {"seconds": 0.001, "warm_up": 0.0}


def identity(onnx_file: Callable[..., Path], kind: int, shape: Any) -> Session:
    return Session(onnx_file([("Identity", ["x"], ["y"], {})], [("x", kind, shape)], [("y", kind, shape)]), "cpu")


def test_each_batch_size_is_measured_in_order(plain_model: Path) -> None:
    timings = bench(Session(plain_model, "cpu"), (4, 1), **BRIEF)
    assert [timing.batch_size for timing in timings] == [4, 1]
    for timing in timings:
        assert timing.runs >= 1
        assert 0 < timing.median <= timing.p95 <= timing.p99
        assert timing.rows_per_second == pytest.approx(timing.batch_size / timing.median)
        assert timing.to_dict()["batch_size"] == timing.batch_size


def test_a_file_that_insists_on_a_batch_size_is_measured_at_that_one(colour_model: Callable[..., Path]) -> None:
    timings = bench(Session(colour_model(batch=4), "cpu"), (1, 8), **BRIEF)
    assert [timing.batch_size for timing in timings] == [4]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bool", "int8", "uint8", "int64", "uint16"])
def test_inputs_of_every_number_type_are_made_up(onnx_file: Callable[..., Path], dtype: str) -> None:
    session = identity(onnx_file, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), ["N", 3])
    first, second = (random_inputs(session, 5)["x"] for _ in range(2))
    assert (first.shape, first.dtype) == ((5, 3), dtype)
    np.testing.assert_array_equal(first, second)  # the same seed, the same numbers
    assert session.run({"x": first})["y"].shape == (5, 3)


@pytest.mark.parametrize(
    ("kind", "shape", "words"),
    [
        (TensorProto.FLOAT, ["N", "length"], "free axes besides the batch"),
        (TensorProto.BFLOAT16, ["N"], "takes neither numbers nor texts"),
    ],
)
def test_inputs_that_cannot_be_made_up_are_refused(
    onnx_file: Callable[..., Path], kind: int, shape: Any, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        bench(identity(onnx_file, kind, shape), (1,), **BRIEF)


def test_lengths_that_a_file_leaves_free_are_given_by_name_or_by_position(onnx_file: Callable[..., Path]) -> None:
    session = identity(onnx_file, TensorProto.FLOAT, ["N", "length", None])
    feeds = random_inputs(session, 2, lengths={"length": 7, "x.2": 3})
    assert feeds["x"].shape == (2, 7, 3)
    assert random_inputs(session, 2, lengths={"length": 7, "x.2": 3, "N": 5})["x"].shape == (5, 7, 3)
    assert bench(session, (2,), **BRIEF, lengths={"x.1": 4, "x.2": 3})[0].batch_size == 2


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        (None, r"'length' is not known. Say it with --length length=100"),
        ({"length": 3}, r"--length x\.2=100"),
        ({"lenght": 3}, "no free axis 'lenght'. Did you mean 'length'"),
        ({"length": 0}, "at least 1 is expected"),
    ],
)
def test_lengths_that_are_missing_or_make_no_sense(
    onnx_file: Callable[..., Path], lengths: dict[str, int] | None, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        random_inputs(identity(onnx_file, TensorProto.FLOAT, ["N", "length", None]), 2, lengths=lengths)


@pytest.mark.parametrize(
    ("entry", "shape", "expected"),
    [
        (ImageInput("x", "RGB", (8, 9)), ["N", 3, "height", "width"], (2, 3, 8, 9)),
        (ImageInput("x", "RGB", (8, 9), prepared_in_graph=True), ["N", "h", "w", 3], (2, 480, 640, 3)),
        (SequenceInput("x", 4, 11), ["N", "length", 4], (2, 11, 4)),
    ],
)
def test_lengths_come_from_the_card(
    onnx_file: Callable[..., Path], entry: InputCard, shape: list[Any], expected: tuple[int, ...]
) -> None:
    kind = TensorProto.UINT8 if entry.prepared_in_graph else TensorProto.FLOAT
    card = ModelCard("raw", (entry,))
    path = onnx_file([("Identity", ["x"], ["y"], {})], [("x", kind, shape)], [("y", kind, shape)], card)
    assert random_inputs(Session(path, "cpu"), 2)["x"].shape == expected


@pytest.mark.parametrize(
    ("sizes", "seconds", "words"),
    [
        ([], 1.0, "numbers above 0 are expected"),
        ([1, 0], 1.0, "numbers above 0 are expected"),
        ([1], 0.0, "numbers above 0 are expected"),
        ([1], float("nan"), "numbers above 0 are expected"),
        ([10**13], 1.0, "does not fit into memory"),
        ([10**30], 1.0, "does not fit into memory"),
    ],
)
def test_senseless_sizes_and_times_are_refused(plain_model: Path, sizes: list[int], seconds: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        bench(Session(plain_model, "cpu"), sizes, seconds=seconds)


def test_the_peak_of_memory_grows_with_what_was_allocated() -> None:
    before = peak_memory()
    np.ones(before // 8 + 2**24)  # of 8 bytes each
    assert before < peak_memory() < before + 2**30 + before
