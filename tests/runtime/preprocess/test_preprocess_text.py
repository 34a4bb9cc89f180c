"""Texts become positions in the card's vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.card import TextInput
from runtime.errors import InputError
from runtime.preprocess import prepare_text, read_lines, split_tokens

CHARACTERS = TextInput("x", ("<pad>", "<unknown>", "a", "b", "é"), 4, padding=0, unknown=1)
WORDS = TextInput("x", ("<pad>", "don", "'", "t", "stop", "!"), 5, "word", padding=0)
BARE = TextInput("x", ("a", "b"), 2)


@pytest.mark.parametrize(
    ("text", "card", "row"),
    [
        ("ab", CHARACTERS, [2, 3, 0, 0]),
        ("abéab", CHARACTERS, [2, 3, 4, 2]),  # cut at the end
        ("aZb", CHARACTERS, [2, 1, 3, 0]),
        ("e\u0301", CHARACTERS, [4, 0, 0, 0]),  # composed
        ("don't stop!", WORDS, [1, 2, 3, 4, 5]),
        ("stop  stop\n", WORDS, [4, 4, 0, 0, 0]),
        ("ba", BARE, [1, 0]),
        ("bab", BARE, [1, 0]),
    ],
)
def test_a_text_is_looked_up_cut_and_filled_up(text: str, card: TextInput, row: list[int]) -> None:
    found = prepare_text([text], card)
    assert found.dtype == np.int64
    assert found.tolist() == [row]


@pytest.mark.parametrize(
    ("options", "tokens"),
    [
        ({}, ["É", "\u00df", "ﬁ"]),
        ({"lowercase": True}, ["é", "\u00df", "ﬁ"]),
        ({"strip_accents": True}, ["E", "\u00df", "ﬁ"]),
        ({"normalization": "NFKC"}, ["É", "\u00df", "f", "i"]),
        ({"normalization": "none"}, ["E", "\u0301", "\u00df", "ﬁ"]),
        ({"normalization": "none", "strip_accents": True, "lowercase": True}, ["e", "\u00df", "ﬁ"]),
    ],
)
def test_the_form_of_the_letters_is_a_choice(options: dict[str, Any], tokens: list[str]) -> None:
    assert split_tokens("E\u0301\u00dfﬁ", "character", **options) == tokens


def test_the_tokens_for_padding_and_unknown_cannot_be_asked_for_by_name() -> None:
    card = TextInput("x", ("-", "?", "a"), 3, padding=0, unknown=1)
    assert prepare_text(["a-?"], card).tolist() == [[2, 1, 1]]


@pytest.mark.parametrize(
    ("text", "card", "words"),
    [
        ("", CHARACTERS, "The text '' is empty; at least one character is expected."),
        (" \t", WORDS, "is empty; at least one word is expected"),
        ("stop now", WORDS, "has the word 'now', which is not among the 5 of the model's vocabulary"),
        ("a", BARE, "has 1 characters; the model takes 2, and its card names no padding"),
        (None, CHARACTERS, "of the type NoneType; a text is expected"),
        (b"a", CHARACTERS, "of the type bytes"),
        ("x" * 999, BARE, "xxx...' has the character 'x'"),
    ],
)
def test_what_cannot_be_looked_up_is_said(text: Any, card: TextInput, words: str) -> None:
    with pytest.raises(InputError) as caught:
        prepare_text(["aa", text] if card is not WORDS else ["stop", text], card)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


@given(st.lists(st.text(), max_size=4))
def test_any_text_is_prepared_or_refused(texts: list[str]) -> None:
    for card in (CHARACTERS, WORDS, BARE):
        try:
            rows = prepare_text(texts, card)
        except InputError:
            continue
        assert rows.shape == (len(texts), card.length)
        assert rows.size == 0 or (rows.min() >= 0 and rows.max() < len(card.vocabulary))


def test_lines_are_stripped_and_blank_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffÁgnes \r\n\r\n  Bo\n".encode())
    assert read_lines(tmp_path / "a.txt") == ["Ágnes", "Bo"]


@pytest.mark.parametrize(
    ("content", "words"), [(b"\n \n", "is empty; one text a line"), (b"\xff\xfe", "Save it in UTF-8")]
)
def test_a_file_without_text_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_lines(tmp_path / "a.txt")
    with pytest.raises(InputError, match="is a folder"):
        read_lines(tmp_path)
