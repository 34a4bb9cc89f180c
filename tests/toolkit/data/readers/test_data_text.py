"""Texts become tokens, and the card says how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.card import ModelCard, TextInput
from runtime.errors import InputError
from runtime.preprocess.inputs import prepare
from toolkit.data.dataset import Dataset
from toolkit.data.readers.npz import load_npz
from toolkit.data.readers.text import load_text_folder, load_text_table, load_texts, token_dataset
from toolkit.tasks.class_indices import IGNORED

TEXTS = ["Nakamura", "O'Neill", "Müller", "Na"]


def inputs(data: Dataset) -> np.ndarray:
    return data.inputs.take(torch.arange(len(data))).numpy()


def words(data: Dataset, row: int) -> str:
    assert isinstance(data.card, TextInput)
    return "".join(data.card.vocabulary[token] for token in inputs(data)[row] if token != data.padding)


def test_texts_become_positions_and_can_be_read_back() -> None:
    data = load_texts(TEXTS, ["ja", "en", "de", "ja"])
    assert (data.shape, data.dtype, data.padding) == ((8,), "int64", 0)
    assert [words(data, row) for row in range(4)] == TEXTS
    assert data.labels == ("de", "en", "ja")
    assert data.vocabulary == len(set("".join(TEXTS))) + 2
    assert data.describe() == "4 examples of shape 8, 3 classes"


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=5), st.sampled_from([None, 1, 3]))
def test_the_card_prepares_in_the_field_what_was_learnt(texts: list[str], length: int | None) -> None:
    data = load_texts(texts, [0] * len(texts), length=length)
    card = ModelCard.from_json(ModelCard("classification", (data.card,)).to_json()).inputs[0]
    np.testing.assert_array_equal(prepare(texts, card)[0], inputs(data))


def test_accents_and_case_can_be_folded() -> None:
    data = load_texts(TEXTS, [0, 1, 2, 0], lowercase=True, strip_accents=True)
    assert words(data, 2) == "muller"
    assert prepare("MÜLLER", data.card)[0].tolist() == [inputs(data)[2].tolist()]


def test_the_length_cuts_and_a_vocabulary_can_be_brought() -> None:
    data = load_texts(["the cat", "a dog"], [0, 1], level="word", length=1, word2idx={"<unk>": 0, "the": 1, "<pad>": 2})
    assert inputs(data).tolist() == [[1], [0]]
    assert (data.padding, data.vocabulary) == (2, 3)


def test_several_labels_and_values_for_a_text() -> None:
    assert load_texts(TEXTS, [["a"], [], ["a", "b"], ["b"]], task="multilabel").targets.shape == (4, 2)
    assert load_texts(TEXTS, [1.5, 2.5, 0, 1], task="regression").targets.shape == (4, 1)


def test_without_labels_the_next_token_is_learnt() -> None:
    data = load_texts(["abc", "ab"], task="dense")
    a, b, c = (data.labels.index(token) for token in "abc")
    assert inputs(data).tolist() == [[a, b], [a, b]]
    assert data.targets.tolist() == [[b, c], [b, IGNORED]]
    assert isinstance(data.card, TextInput)
    assert data.labels == data.card.vocabulary
    assert inputs(load_texts(["abc", "ab"], length=1)).tolist() == [[a], [a]]


def test_tokens_with_their_vocabulary_are_a_language_model() -> None:
    x, y = [[1, 2, 3], [2, 3, 0]], [[2, 3, 0], [3, 0, 0]]
    data = token_dataset(x, y, {"<pad>": 0, "春": 1, "天": 2, "来": 3})
    assert (data.task, data.padding, data.dtype) == ("dense", 0, "int64")
    assert data.targets.tolist() == [[2, 3, IGNORED], [3, IGNORED, IGNORED]]
    assert data.labels == ("<pad>", "春", "天", "来")
    assert prepare("春天来", data.card)[0].tolist() == [[1, 2, 3]]
    assert token_dataset(np.array(x, float), y, ["a", "b", "c", "d"]).targets.tolist() == y
    assert token_dataset(x, ["p", "q"], ["a", "b", "c", "d"]).labels == ("p", "q")
    words = ["a", "b", "c", "d"]
    tagged = token_dataset(x, [[0, 1, 1], [1, 0, 0]], words, task="dense", labels=["noun", "verb"])
    assert tagged.targets.tolist() == [[0, 1, 1], [1, 0, 0]]
    assert tagged.labels == ("noun", "verb")  # rather than the vocabulary


def test_an_archive_brings_its_vocabulary(tmp_path: Path) -> None:
    x, y = np.array([[0, 1], [1, 2]]), np.array([[1, 2], [2, 0]])
    for word2idx in (np.array(["a", "b", "c"]), json.dumps({"a": 0, "c": 2, "b": 1})):
        np.savez(tmp_path / "poems.npz", data=x, label=y, word2idx=word2idx)
        data = load_npz(tmp_path / "poems.npz")
        assert (data.task, data.labels) == ("dense", ("a", "b", "c"))
    np.savez(tmp_path / "poems.npz", data=x, label=y, word2idx=np.array({"a": 0}, object))
    with pytest.raises(InputError, match=r"could run code when opened.*json\.dumps"):
        load_npz(tmp_path / "poems.npz")


def test_a_folder_has_a_class_a_file_and_a_text_a_line(tmp_path: Path) -> None:
    (tmp_path / "German.txt").write_text("Müller\nBauer \n", encoding="utf-8")
    (tmp_path / "Czech.txt").write_text("Novák\n\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("not data")
    with pytest.warns(UserWarning, match=r"Not read .* 1 file \(1 \.md\)"):
        data = load_text_folder(tmp_path, lowercase=True)
    assert data.labels == ("Czech", "German")
    assert data.targets.tolist() == [0, 1, 1]
    assert words(data, 2) == "bauer"
    (tmp_path / "README.md").unlink()
    assert load_text_folder(tmp_path, labels=["cz", "de"]).labels == ("cz", "de")


def test_a_table_has_a_column_of_texts(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('mood,text,stars\ngood,"fine, thanks",5\nbad,no,1\n')
    data = load_text_table(tmp_path / "t.csv", label="mood", level="word")
    assert data.labels == ("bad", "good")
    assert isinstance(data.card, TextInput)
    assert data.card.column == "text"
    assert data.shape == (3,)
    assert load_text_table(tmp_path / "t.csv", label="stars", task="regression").targets.tolist() == [[5], [1]]


@pytest.mark.parametrize(
    ("call", "words_"),
    [
        (lambda: load_texts([], []), "No text was given"),
        (lambda: load_texts("abc", [0]), "A str was given; a list of texts"),
        (lambda: load_texts(["a", 3], [0, 1]), "Input 2 is of the type int"),  # type: ignore[list-item]
        (lambda: load_texts(["a", ""], [0, 1]), "The text '' is empty"),
        (lambda: load_texts(["a", "b"], [0]), "There are 2 texts, but 1 labels"),
        (lambda: load_texts(["a"], [0], level="letter"), "level='letter' was given"),  # type: ignore[arg-type]
        (lambda: load_texts(["a"], [0], length=0), "length=0 was given"),
        (lambda: load_texts(["a", "b"]), "have one token each"),
        (lambda: load_texts(["ab", "cb"], [0, 1], word2idx=["a", "b"]), "has the character 'c'"),
        (lambda: token_dataset([[0, 5]], [[1, 1]], ["a", "b"]), "The inputs hold 5 at position (0, 1)"),
        (lambda: token_dataset([[0, 1]], [[1, -1]], ["a", "b"]), "The labels hold -1 at position (0, 1)"),
        (lambda: token_dataset([[0, 1]], [1, 0], ["a", "b"]), "The tokens have the shape (1, 2) and the labels (2,)"),
        (lambda: token_dataset([[0, 1], [1]], [0, 1], ["a", "b"]), "are ragged"),
        (lambda: token_dataset([[0.5]], [0], ["a", "b"]), "whole numbers (N, L)"),
    ],
)
def test_what_cannot_be_used_is_named(call: Any, words_: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert words_ in str(caught.value)


@pytest.mark.parametrize(
    ("content", "options", "words_"),
    [
        ("a,b\n1,2\n", {}, "has no column 'text'"),
        ("text,b\n", {}, "has a header only"),
        ("text,b,c\nx,1,2\n", {}, "besides 'text' the columns b, c; say which holds the label"),
        ("text\nx\n", {}, "besides 'text' the columns none"),
        ("text,b\n,1\n", {}, "row 1, column 'text': the text is empty"),
        ("text,b\nx,\n", {}, "row 1, column 'b': the label is empty"),
        ("text,mood\nx,1\n", {"label": "mod"}, "has no column 'mod' for the label. Did you mean 'mood'?"),
        ("text,b\nx,1\n", {"label": "text"}, "for the texts and for the labels alike"),
        ("text,b\nx,y\n", {"task": "regression"}, "row 1, column 'b': the cell is 'y'; a number is expected"),
    ],
)
def test_a_broken_table_is_named(tmp_path: Path, content: str, options: dict[str, Any], words_: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(InputError) as caught:
        load_text_table(tmp_path / "t.csv", **options)
    assert words_ in str(caught.value)


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \.txt files"):
        load_text_folder(tmp_path)
    with pytest.raises(InputError, match="does not exist or is not a folder"):
        load_text_folder(tmp_path / "missing")
    (tmp_path / "a.txt").write_text(" \n")
    with pytest.raises(InputError, match="is empty; one text a line"):
        load_text_folder(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match=r"2 class names were given; .* has 1 files"):
        load_text_folder(tmp_path, labels=["a", "b"])
