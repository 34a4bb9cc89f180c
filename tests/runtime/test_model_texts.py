"""Files that take texts and sequences: predict, embed, one broken input among many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

import runtime
from runtime.card import ModelCard, OutputCard, SequenceInput, TextInput
from runtime.errors import InputError
from runtime.model import Model
from runtime.results import Classification, Dense, Embedding, Failure, Multilabel

OnnxFile = Callable[..., Path]
TEXT = TextInput("text", ("<pad>", "<unknown>", "a", "b"), 4, padding=0, unknown=1)
# Of each token: what it says for the labels p and q.
WEIGHTS = np.array([[0, 0], [0, 0], [4, -1], [-1, 4]], np.float32)


def text_model(onnx_file: OnnxFile, task: str, card: TextInput = TEXT) -> Model:
    """The sum over the tokens: logits or an embedding; for "dense" the logits of each token."""
    nodes = [("Gather", ["weights", "text"], ["tokens"], {})]
    shape: tuple[str | int, ...] = ("N", 4, 2)
    if task == "dense":
        nodes.append(("Identity", ["tokens"], ["out"], {}))
    else:
        nodes.append(("ReduceSum", ["tokens", "axis"], ["out"], {"keepdims": 0}))
        shape = ("N", 2)
    role = "embedding" if task == "embedding" else "logits"
    outputs = (OutputCard("out", role),)
    if task == "classification":
        outputs = (*outputs, OutputCard("vector", "embedding"))
        nodes.append(("Identity", ["out"], ["vector"], {}))
    path = onnx_file(
        nodes,
        [("text", TensorProto.INT64, ("N", 4))],
        [(entry.name, TensorProto.FLOAT, shape) for entry in outputs],
        ModelCard(task, (card,), outputs, () if task == "embedding" else ("p", "q")),
        weights=WEIGHTS,
        axis=np.array([1]),
    )
    return runtime.load(path, "cpu")


def test_a_text_gives_one_result_and_a_list_one_each_with_the_text_as_source(onnx_file: OnnxFile) -> None:
    model = text_model(onnx_file, "classification")
    one = model.predict("aab")
    assert isinstance(one, Classification)
    assert (one.label, one.source) == ("p", "aab")
    assert [(found.label, found.source) for found in model.predict(["b", "a"])] == [("q", "b"), ("p", "a")]


def test_files_hold_a_text_a_line_or_a_column_of_them(onnx_file: OnnxFile, tmp_path: Path) -> None:
    model = text_model(onnx_file, "classification")
    (tmp_path / "lines.txt").write_text("ab\nbb\n")
    (tmp_path / "table.csv").write_text("n,text\n1,a\n2,bb\n")
    paths = [tmp_path / "lines.txt", tmp_path / "table.csv"]
    items = model.items(paths)
    assert items == ["ab", "bb", "a", "bb"]
    assert [found.label for found in model.stream(items)] == ["p", "q", "p", "q"]
    assert [found.source for found in model.predict(str(paths[1]))] == ["a", "bb"]


def test_a_text_in_place_of_a_file_is_refused_with_what_to_do(onnx_file: OnnxFile) -> None:
    with pytest.raises(InputError, match=r"a cab is no file. Put the texts into one, such as lines.txt"):
        text_model(onnx_file, "classification").items(["a cab"])


def test_one_unreadable_text_fails_alone(onnx_file: OnnxFile) -> None:
    card = TextInput("text", TEXT.vocabulary, 4, padding=0)
    model = text_model(onnx_file, "classification", card)
    found = model.predict(["a", "", "b", "aZ"], on_error="keep")
    assert [type(entry) for entry in found] == [Classification, Failure, Classification, Failure]
    assert "'Z'" in str(found[3].error)
    assert [type(entry) for entry in model.predict(["Z", ""], on_error="keep")] == [Failure, Failure]
    with pytest.raises(InputError, match="is empty"):
        model.predict(["a", ""])


def test_many_texts_are_run_in_parts_and_in_order(onnx_file: OnnxFile) -> None:
    texts = ["a" if number % 3 else "b" for number in range(2500)]
    found = text_model(onnx_file, "classification").predict(texts)
    assert [entry.label for entry in found] == ["p" if text == "a" else "q" for text in texts]


def test_texts_are_embedded(onnx_file: OnnxFile) -> None:
    model = text_model(onnx_file, "classification")
    np.testing.assert_array_equal(model.embed(["a", "ab"]), [[4, -1], [3, 3]])
    np.testing.assert_array_equal(model.embed("b"), [-1, 4])
    lengths = np.linalg.norm(model.embed(["a", "ab"], normalize=True), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)
    scores = runtime.get_similarity(model.embed(["a"]), model.embed(["aa", "b"]))
    assert scores[0, 0] > scores[0, 1]


def test_the_task_decides_what_is_said_of_a_text(onnx_file: OnnxFile) -> None:
    several = text_model(onnx_file, "multilabel").predict("ab")
    assert isinstance(several, Multilabel)
    assert {label for label, _ in several.chosen} == {"p", "q"}
    vector = text_model(onnx_file, "embedding").predict("ab")
    assert isinstance(vector, Embedding)
    assert vector.values.tolist() == [3, 3]
    positions = text_model(onnx_file, "dense").predict("abba")
    assert isinstance(positions, Dense)
    assert positions.classes.tolist() == [0, 1, 1, 0]


def test_tokens_that_were_looked_up_before_are_taken_as_they_are(onnx_file: OnnxFile) -> None:
    model = text_model(onnx_file, "classification")
    assert model.predict(np.array([2, 2, 0, 0])).label == "p"
    assert [found.label for found in model.predict(np.array([[3, 0, 0, 0], [2, 0, 0, 0]]))] == ["q", "p"]


def test_sequences_are_predicted_from_arrays_and_files(onnx_file: OnnxFile, tmp_path: Path) -> None:
    path = onnx_file(
        [("ReduceSum", ["x", "axis"], ["out"], {"keepdims": 0})],
        [("x", TensorProto.FLOAT, ("N", 3, 2))],
        [("out", TensorProto.FLOAT, ("N", 2))],
        ModelCard("classification", (SequenceInput("x", 2, 3),), (OutputCard("out", "logits"),), ("p", "q")),
        axis=np.array([1]),
    )
    model = runtime.load(path, "cpu")
    sequences = [np.array([[1.0, 0]] * length + [[0, 0.5]]) for length in (1, 5)]
    assert model.predict(sequences[0]).label == "p"
    found = model.predict([*sequences, [[0, 9]], [[1, 2, 3]]], on_error="keep")
    assert [getattr(entry, "label", None) for entry in found] == ["p", "p", "q", None]
    np.savez(tmp_path / "s.npz", data=np.concatenate(sequences), lengths=[2, 6])
    assert [entry.label for entry in model.stream(model.items([tmp_path / "s.npz"]))] == ["p", "p"]
