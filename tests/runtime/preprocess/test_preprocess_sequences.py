"""Sequences become rows of one length; NumPy's files are read without running anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from runtime.card import SequenceInput
from runtime.card.input_card import input_facts, read_input
from runtime.errors import CardError, InputError
from runtime.preprocess import prepare_sequences, read_arrays, split_steps
from runtime.preprocess.kinds import preprocessor_of

PLAIN = SequenceInput("x", 2, 3)
SCALED = SequenceInput("x", 2, 3, (1.0, 2.0), (2.0, 4.0))


def test_steps_are_scaled_and_what_is_filled_up_stays_zero() -> None:
    found = prepare_sequences([[[1, 2]], np.array([[3, 6], [1, 2], [5, 2], [9, 9]])], SCALED)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0], np.zeros((3, 2)))
    np.testing.assert_array_equal(found[1], [[1, 1], [0, 0], [2, 0]])


def test_steps_of_nan_fill_up_where_the_card_says_so() -> None:
    card = replace(SCALED, fill="nan")
    found = prepare_sequences([[[1, 2]], [[3, 6], [1, 2], [5, 2], [9, 9]]], card)
    np.testing.assert_array_equal(found[0], [[0, 0], [np.nan, np.nan], [np.nan, np.nan]])
    assert preprocessor_of(card).real_steps(found, card).tolist() == [1, 3]
    assert preprocessor_of(PLAIN).real_steps(found, PLAIN) is None


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_what_is_no_number_is_refused_however_it_is_filled_up(value: float) -> None:
    for card in (PLAIN, replace(PLAIN, fill="nan")):
        with pytest.raises(InputError, match=r"step 2, feature 1"):
            prepare_sequences([[[1, 2], [value, 3]]], card)


def test_a_card_without_a_fill_is_of_a_version_that_filled_up_with_zeros() -> None:
    assert "fill" not in input_facts(PLAIN)
    assert read_input(input_facts(PLAIN)) == PLAIN
    padded = replace(PLAIN, fill="nan")
    assert read_input(input_facts(padded)) == padded
    assert (PLAIN.padding_mark, padded.padding_mark) == (None, "nan")
    with pytest.raises(CardError, match="fill is 'none'"):
        read_input({**input_facts(PLAIN), "fill": "none"})


def test_a_sequence_of_one_feature_may_be_flat() -> None:
    card = SequenceInput("x", 1, 3)
    assert prepare_sequences([[1, 2], [[3], [4]]], card)[..., 0].tolist() == [[1, 2, 0], [3, 4, 0]]


@given(
    st.lists(
        arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(2)), elements=st.floats(-1e6, 1e6, width=32))
    )
)
def test_each_sequence_is_kept_up_to_the_length(sequences: list[np.ndarray]) -> None:
    found = prepare_sequences(sequences, PLAIN)
    assert found.shape == (len(sequences), 3, 2)
    for row, sequence in zip(found, sequences, strict=True):
        np.testing.assert_array_equal(row[: len(sequence)], sequence[:3])
        assert not row[len(sequence) :].any()


@pytest.mark.parametrize(
    ("sequence", "words"),
    [
        ([[1, 2, 3]], "Sequence 2 has the shape (1, 3); (steps, 2) with at least one step"),
        (np.zeros((0, 2)), "Sequence 2 has the shape (0, 2)"),
        ([1, 2], "Sequence 2 has the shape (2,)"),
        (3, "Sequence 2 has the shape ()"),
        ([["a", "b"]], "Sequence 2 cannot be read as numbers"),
        ([[1, 2], [3]], "Sequence 2 cannot be read as numbers"),
        ([[1, 2], [3, np.nan]], "Sequence 2 holds nan at step 2, feature 2"),
        ([[1e300, 2]], "Sequence 2 holds a number at step 1, feature 1, that once scaled is none of float32"),
    ],
)
def test_a_broken_sequence_is_named(sequence: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        prepare_sequences([[[0, 0]], sequence], PLAIN)
    assert words in str(caught.value)


def test_arrays_of_a_file_come_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(3))
    np.savez(tmp_path / "b.npz", data=np.arange(4), label=np.array(["x"]))
    assert read_arrays(tmp_path / "a.npy")["data"].tolist() == [0, 1, 2]
    assert sorted(read_arrays(tmp_path / "b.npz")) == ["data", "label"]


def test_pickled_objects_are_not_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", word2idx=np.array({"a": 0}, object))
    with pytest.raises(InputError, match=r"could run code when opened.*word2idx=json.dumps\(word2idx\)"):
        read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_damaged_or_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_arrays(tmp_path / name)
    (tmp_path / name).write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(InputError, match=f"cannot be read as an {name[-3:].upper()} file"):
        read_arrays(tmp_path / name)


def test_steps_are_cut_into_sequences() -> None:
    parts = split_steps(np.arange(10).reshape(5, 2), np.array([2, 3]), "f")
    assert [part[:, 0].tolist() for part in parts] == [[0, 2], [4, 6, 8]]


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([2, 2], "add up to 4"),
        ([5, 0], "are int64 of shape"),
        ([2.0, 3.0], "are float64"),
        ([[5]], "of shape (1, 1)"),
        ([], "are"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        split_steps(np.zeros((5, 2)), np.array(lengths), "f")
    assert words in str(caught.value)
    assert "add up to the 5 steps" in str(caught.value)
