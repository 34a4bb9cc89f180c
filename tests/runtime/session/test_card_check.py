"""A card that says something else than the graph is refused when the file is opened, before anything is allocated by it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from onnx import TensorProto

import runtime
from cli import main
from runtime.card import ArrayInput, ImageInput, ModelCard, OutputCard, SequenceInput, TableInput, TextInput
from runtime.errors import CardError
from runtime.session import Session

PICTURE = ImageInput("x", "RGB", (8, 9))
FILE = Callable[..., Path]


def identity(onnx_file: FILE, shape: list[Any], card: ModelCard, kind: int = TensorProto.FLOAT) -> Path:
    return onnx_file([("Identity", ["x"], ["y"], {})], [("x", kind, shape)], [("y", kind, shape)], card)


@pytest.mark.parametrize(
    ("entry", "shape", "words"),
    [
        (PICTURE, ["N", 3, 8, 8], r"rows of shape \(3, 8, 9\) of the input 'x'; the graph takes \(3, 8, 8\)"),
        (PICTURE, ["N", 1, 8, 9], r"the graph takes \(1, 8, 9\)"),
        (PICTURE, ["N", 8, 9], r"the graph takes \(8, 9\)"),
        (replace(PICTURE, layout="NHWC"), ["N", 3, 8, 9], r"rows of shape \(8, 9, 3\)"),
        (replace(PICTURE, size=(100_000, 100_000)), ["N", 3, "h", "w"], "its size is 100000 x 100000, and at most"),
        (replace(PICTURE, resize=(30_000, 30_000), crop=(8, 9)), ["N", 3, 8, 9], "its resize is 30000 x 30000"),
        (replace(PICTURE, resize=30_000, crop=(8, 9)), ["N", 3, 8, 9], "its resize is 30000 x 30000"),
        (replace(PICTURE, crop=(8, 8)), ["N", 3, 8, 9], "its size is 8 x 9, and its last step leaves 8 x 8"),
        (replace(PICTURE, name="z"), ["N", 3, 8, 9], "The card has the input 'z'; the graph takes 'x'"),
        (replace(PICTURE, prepared_in_graph=True), ["N", "h", "w", 3], "makes uint8 of the input 'x'; the graph takes"),
        (TableInput("x", ("a", "b")), ["N", 3], r"rows of shape \(2\) of the input 'x'; the graph takes \(3\)"),
        (SequenceInput("x", 4, 11), ["N", "length", 5], r"\(11, 4\)"),
        (TextInput("x", ("a", "b"), 5), ["N", 5], "makes int64 of the input 'x'; the graph takes float32"),
        (ArrayInput("x", (3,), "float64"), ["N", 3], "makes float64"),
    ],
)
def test_an_input_that_is_another_in_the_graph(onnx_file: FILE, entry: Any, shape: list[Any], words: str) -> None:
    path = identity(onnx_file, shape, ModelCard("raw", (entry,)))
    tracemalloc.start()
    with pytest.raises(CardError, match=words) as refused:
        runtime.load(path, "cpu")
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    assert "contradict each other" in str(refused.value) and "Export the model again" in str(refused.value)
    told = CliRunner().invoke(main, ["info", str(path)])
    assert told.exit_code == 0 and "warning  card and graph contradict each other" in told.stdout


@pytest.mark.parametrize(
    ("task", "role", "shape", "labels"),
    [
        ("classification", "probabilities", ["N", 3], 2),
        ("classification", "logits", ["N", 3], 4),
        ("multilabel", "probabilities", ["N", 3], 2),
        ("regression", "values", ["N", 3], 2),
        ("dense", "logits", ["N", "length", 3], 2),
        ("dense", "probabilities", ["N", 3, "h", "w"], 2),
    ],
)
def test_labels_that_are_not_as_many_as_the_graph_gives(
    onnx_file: FILE, task: str, role: str, shape: list[Any], labels: int
) -> None:
    def card(count: int) -> ModelCard:
        return ModelCard(task, (), (OutputCard("y", role),), tuple(map(str, range(count))))

    with pytest.raises(CardError, match=rf"The card has {labels} labels; the graph's output 'y' has 3 numbers a row"):
        runtime.load(identity(onnx_file, shape, card(labels)), "cpu")
    runtime.load(identity(onnx_file, shape, card(3)), "cpu")
    runtime.load(identity(onnx_file, shape, card(0)), "cpu")
    free = [length if length != 3 else "K" for length in shape]
    runtime.load(identity(onnx_file, free, card(labels)), "cpu")


def test_what_agrees_is_opened(onnx_file: FILE) -> None:
    for entry, shape, kind in (
        (PICTURE, ["N", 3, "h", "w"], TensorProto.FLOAT),
        (replace(PICTURE, prepared_in_graph=True), ["N", "h", "w", 3], TensorProto.UINT8),
        (replace(PICTURE, resize=256, crop=(8, 9)), [4, 3, 8, 9], TensorProto.FLOAT),
        (SequenceInput("x", 4, 11), ["N", "length", 4], TensorProto.FLOAT),
        (TextInput("x", ("a", "b"), 5), ["N", 5], TensorProto.INT64),
        (ArrayInput("x", (3,)), ["N", 3], TensorProto.FLOAT),
    ):
        path = identity(onnx_file, shape, ModelCard("raw", (entry,)), kind)
        assert Session(path, "cpu").card is not None


def test_an_output_that_the_graph_lacks(onnx_file: FILE) -> None:
    card = ModelCard("raw", (), (OutputCard("z", "values"),))
    with pytest.raises(CardError, match="The card has the output 'z'; the graph gives 'y'"):
        runtime.load(identity(onnx_file, ["N", 3], card), "cpu")
