"""Vocabularies: counted from texts, or read in the forms that they are kept in."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InputError
from toolkit.data.readers.vocabulary import PADDING, UNKNOWN, build_vocabulary, find_token, read_vocabulary


def test_frequent_tokens_come_first_and_the_rest_in_the_order_of_code_points() -> None:
    assert build_vocabulary(["bab", "Ca"]) == (PADDING, UNKNOWN, "a", "b", "C")
    assert build_vocabulary(["bab", "Ca"], min_count=2) == (PADDING, UNKNOWN, "a", "b")
    assert build_vocabulary(["bab", "Ca"], size=3) == (PADDING, UNKNOWN, "a")
    assert build_vocabulary(["to be, or", "not to be"], "word")[2:] == ("be", "to", ",", "not", "or")
    assert build_vocabulary(["Éé"], lowercase=True, strip_accents=True) == (PADDING, UNKNOWN, "e")


@given(st.lists(st.text(min_size=1), min_size=1))
def test_every_character_is_in_it_once_whatever_the_order_of_the_texts(texts: list[str]) -> None:
    found = build_vocabulary(texts, normalization="none")
    assert set(found[2:]) == set("".join(texts))
    assert len(set(found)) == len(found)
    assert build_vocabulary(texts[::-1], normalization="none") == found


@pytest.mark.parametrize(
    "form",
    [
        {"a": 0, "c": 2, "b": 1},
        {"a": np.int64(0), "b": np.int64(1), "c": np.int64(2)},
        ["a", "b", "c"],
        np.array(["a", "b", "c"]),
        json.dumps({"b": 1, "a": 0, "c": 2}),
        np.array(json.dumps(["a", "b", "c"])),
    ],
)
def test_the_forms_that_vocabularies_are_kept_in(form: Any) -> None:
    assert read_vocabulary(form) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"a": 0, "b": 2}, "the indices 0 to 1, each once, are expected, and 1 is missing"),
        ({"a": 0, "b": 0}, "and 1 is missing"),
        ({"a": "x"}, "whose values are not whole numbers"),
        (["a", "a"], "2 tokens, 1 of them different"),
        ([], "0 tokens"),
        ([1, 2], "word2idx is a list"),
        (3, "word2idx is a int"),
        ("{", "which is not JSON"),
        (np.arange(3), "an array of int64"),
    ],
)
def test_anything_else_is_refused(form: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_vocabulary(form)
    assert words in str(caught.value)


def test_nothing_to_count_is_refused() -> None:
    with pytest.raises(InputError, match="no character that occurs 9 times"):
        build_vocabulary(["abc"], min_count=9)
    with pytest.raises(InputError, match="min_count=0"):
        build_vocabulary(["abc"], min_count=0)


def test_the_usual_names_of_the_special_tokens_are_known() -> None:
    assert find_token(("a", "<PAD>", "<unk>"), "padding") == 1
    assert find_token(("a", "<PAD>", "<unk>"), "unknown") == 2
    assert find_token(("a", "b"), "padding") is None
