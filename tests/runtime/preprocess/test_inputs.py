"""What predict, embed and training accept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runtime.card import ArrayInput, ImageInput, InputCard, SequenceInput, TableInput, TextInput
from runtime.errors import InputError
from runtime.preprocess import prepare_image
from runtime.preprocess.inputs import parse_inputs, prepare

RGB = ImageInput("x", "RGB", (8, 8), resize=(8, 8), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
GREY = ImageInput("x", "grayscale", (8, 8), resize=(8, 8))
TABLE = TableInput("x", ("a", "b"), (1.0, 2.0), (2.0, 4.0))
ARRAY = ArrayInput("x", (3, None))
TEXT = TextInput("x", ("<pad>", "<unknown>", "a", "b"), 3, padding=0, unknown=1)
SEQUENCE = SequenceInput("x", 2, 4, (1.0, 1.0))
FLAT = SequenceInput("x", 1, 4)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (2, 10, 1):
        Image.fromarray(noise(6, 7, 3)).save(tmp_path / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize(
    ("data", "card", "rows", "single"),
    [
        (noise(9, 7), RGB, 1, True),
        (noise(9, 7, 3), RGB, 1, True),
        (noise(9, 7, 4), RGB, 1, True),
        (noise(3, 9, 7), RGB, 1, True),
        (noise(1, 9, 7), RGB, 1, True),
        (noise(5, 9, 7), GREY, 5, False),
        (noise(3, 9, 7), GREY, 3, False),
        (noise(5, 9, 7, 3), RGB, 5, False),
        (noise(5, 3, 9, 7), RGB, 5, False),
        (noise(1, 3, 8, 8), RGB, 1, False),
        (noise(5, 8, 8, 3), RGB, 5, False),
        (np.zeros((3, 8, 8), np.float32), RGB, 1, True),
        (np.zeros((4, 3, 8, 8), np.float64), RGB, 4, False),
        ([noise(9, 7), Image.new("RGB", (5, 5))], RGB, 2, False),
        ((noise(9, 7),), RGB, 1, False),
        (Image.new("L", (5, 5)), GREY, 1, True),
        ([1.0, 2.0], TABLE, 1, True),
        ([[1.0, 2.0]], TABLE, 1, False),
        (np.zeros((6, 2), np.int64), TABLE, 6, False),
        (np.zeros((3, 5)), ARRAY, 1, True),
        (np.zeros((2, 3, 9)), ARRAY, 2, False),
        ([[[1], [2], [3]]], ARRAY, 1, False),
        ("ab", TEXT, 1, True),
        (["ab", "b"], TEXT, 2, False),
        (["lines.txt"], TEXT, 1, False),
        (np.array(["ab", "b"]), TEXT, 2, False),
        (np.array([1, 2, 3]), TEXT, 1, True),
        (np.array([[1, 2, 3], [0, 0, 1]], np.int32), TEXT, 2, False),
        (np.zeros((5, 2)), SEQUENCE, 1, True),
        ([[1, 2], [3, 4]], SEQUENCE, 1, True),
        ([np.zeros((5, 2)), np.zeros((1, 2))], SEQUENCE, 2, False),
        (np.zeros((7, 5, 2)), SEQUENCE, 7, False),
        ([1, 2, 3], FLAT, 1, True),
        (np.zeros(9), FLAT, 1, True),
        (np.zeros((9, 1)), FLAT, 1, True),
        ([[1, 2], [3]], FLAT, 2, False),
    ],
)
def test_one_input_and_many_are_told_apart(data: Any, card: InputCard, rows: int, single: bool) -> None:
    prepared, one = prepare(data, card)
    assert (len(prepared), one) == (rows, single)
    assert prepared.dtype == (np.int64 if card is TEXT else np.float32)
    assert all(want in (None, got) for want, got in zip(card.shape, prepared.shape[1:], strict=True))


def test_a_folder_gives_its_pictures_in_natural_order_also_inside_a_list(folder: Path) -> None:
    items, single = parse_inputs(folder, RGB)
    assert ([path.name for path in items], single) == (["1.png", "2.png", "10.png"], False)
    items, single = parse_inputs([str(folder), folder / "2.png"], RGB)
    assert ([Path(path).name for path in items], single) == (["1.png", "2.png", "10.png", "2.png"], False)
    assert parse_inputs(str(folder / "2.png"), RGB)[1]


@given(
    st.sampled_from([(8, 8), 8, 16, None, (16, 12)]),
    st.sampled_from([None, (8, 8)]),
    st.sampled_from(["NCHW", "NHWC"]),
)
@settings(deadline=None)
def test_a_batch_of_pictures_is_prepared_as_each_of_them_is(resize: Any, crop: Any, layout: str) -> None:
    card = ImageInput("x", "RGB", (8, 8), resize=resize, crop=crop, layout=layout, mean=(0.5,) * 3, std=(0.2,) * 3)
    if crop is None and resize not in (None, 8, (8, 8)):
        return  # such a card takes no picture at all
    batch = noise(3, *card.shape)
    expected = np.stack([prepare_image(picture, card) for picture in batch])
    np.testing.assert_array_equal(prepare(batch, card)[0], expected)


def test_prepared_floats_are_taken_as_they_are() -> None:
    rows = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(prepare(rows, RGB)[0], rows)
    np.testing.assert_array_equal(prepare(rows[0], RGB)[0], rows[:1])


def test_rows_and_tables_are_scaled_by_the_card(tmp_path: Path) -> None:
    expected = np.array([[0.0, 0.0], [1.0, -0.5]], np.float32)
    np.testing.assert_array_equal(prepare([[1, 2], [3, 0]], TABLE)[0], expected)
    (tmp_path / "t.csv").write_text("other,b,a\nx,2,1\ny,0,3\n")
    rows, single = prepare(tmp_path / "t.csv", TABLE)
    np.testing.assert_array_equal(rows, expected)
    assert not single


def test_texts_come_from_files_with_one_a_line_or_from_the_column_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("ab\n\nb \n")
    (tmp_path / "t.csv").write_text('label,text\n1,"a,b"\n2,b\n')
    (tmp_path / "t.tsv").write_text("text\tlabel\nb\t1\n")
    assert parse_inputs(tmp_path / "lines.txt", TEXT) == (["ab", "b"], False)
    assert parse_inputs(str(tmp_path / "lines.txt"), TEXT) == (["ab", "b"], False)
    assert parse_inputs(tmp_path / "t.csv", TEXT) == (["a,b", "b"], False)
    assert parse_inputs(tmp_path / "t.tsv", TEXT) == (["b"], False)
    with pytest.raises(InputError, match="lacks the columns text"):
        (tmp_path / "t.csv").write_text("a,b\n1,2\n")
        parse_inputs(tmp_path / "t.csv", TEXT)


def test_sequences_come_from_files_of_arrays(tmp_path: Path) -> None:
    steps = np.arange(12.0).reshape(6, 2)
    np.save(tmp_path / "one.npy", steps)
    np.save(tmp_path / "many.npy", steps.reshape(2, 3, 2))
    np.savez(tmp_path / "many.npz", data=steps, lengths=[2, 4])
    np.savez(tmp_path / "other.npz", x=steps)
    assert [len(item) for item in parse_inputs(tmp_path / "one.npy", SEQUENCE)[0]] == [6]
    assert [len(item) for item in parse_inputs(str(tmp_path / "many.npy"), SEQUENCE)[0]] == [3, 3]
    assert [len(item) for item in parse_inputs(tmp_path / "many.npz", SEQUENCE)[0]] == [2, 4]
    np.testing.assert_array_equal(prepare(tmp_path / "many.npz", SEQUENCE)[0][0], [[-1, 0], [1, 2], [0, 0], [0, 0]])
    with pytest.raises(InputError, match="lacks the array 'data'; it has x"):
        parse_inputs(tmp_path / "other.npz", SEQUENCE)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,c\n1,2\n", "lacks the columns b; the model takes a, b, and the file has a, c"),
        ("a,b\n", "has a header only"),
        ("a,b\n1,x\n", "row 1, column 'b': the cell is 'x'"),
    ],
)
def test_a_table_that_does_not_fit_says_which_column_or_cell(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(InputError) as caught:
        prepare(tmp_path / "t.csv", TABLE)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("data", "card", "words"),
    [
        (np.zeros((8, 8), np.int64), RGB, "cast with .astype('uint8')"),
        (np.zeros((8, 8), bool), RGB, "dtype bool"),
        (np.zeros((3, 9, 8), np.float32), RGB, "shape (N, 3, 8, 8) are expected. Pictures are uint8"),
        (np.zeros((8, 8), np.float32), RGB, "shape (8, 8)"),
        (np.array(3, np.uint8), RGB, "shape ()"),
        (np.zeros((1, 1, 1, 1, 1), np.uint8), RGB, "shape (1, 1, 1, 1, 1)"),
        (np.zeros((0, 8, 8), np.uint8), RGB, "No input was given"),
        ([], RGB, "No input was given"),
        (None, RGB, "type NoneType"),
        ([np.zeros((3, 8, 8), np.float32)], RGB, "is not a picture"),
        ("missing.png", RGB, "does not exist"),
        ([1.0, 2.0, 3.0], TABLE, "(N, 2) is expected"),
        ([["a", "b"]], TABLE, "cannot be read as numbers"),
        ([[1.0], [1.0, 2.0]], TABLE, "cannot be read as numbers"),
        ("missing.csv", TABLE, "does not exist"),
        (None, TABLE, "expected, with the columns a, b"),
        (np.zeros((2, 4, 9)), ARRAY, "shape (N, 3, None) are expected"),
        ([[1], [1, 2]], ARRAY, "ragged"),
        ([["a"], ["b"], ["c"]], ARRAY, "cannot be read as float32"),
        ("missing.txt", TEXT, "does not exist"),
        ("", TEXT, "is empty"),
        ([], TEXT, "No input was given"),
        ([1, 2], TEXT, "takes texts, and a list was given"),
        (None, TEXT, "takes texts, and a NoneType was given"),
        (np.zeros((1, 3)), TEXT, "takes texts"),
        (np.array([[1, 2]]), TEXT, "The tokens have the shape (1, 2); (N, 3) is expected"),
        (np.array([[1, 2, 4]]), TEXT, "from 1 to 4; the vocabulary has the positions 0 to 3"),
        (np.array([[1, 2, -1]]), TEXT, "from -1 to 2"),
        ([], SEQUENCE, "No input was given"),
        (None, SEQUENCE, "takes sequences, and a NoneType was given"),
        (np.float64(3), SEQUENCE, "takes sequences"),
        (np.array(3.0), SEQUENCE, "takes sequences"),
        (np.zeros((4, 3)), SEQUENCE, "(steps, 2) with at least one step is expected"),
        (["ab"], SEQUENCE, "cannot be read as numbers"),
        ("missing.npz", SEQUENCE, "does not exist"),
    ],
)
def test_what_does_not_fit_is_an_input_error_that_says_what_would(data: Any, card: InputCard, words: str) -> None:
    with pytest.raises(InputError) as caught:
        prepare(data, card)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_floats_for_a_whole_number_input_are_refused_and_not_cut() -> None:
    card = ArrayInput("x", (3,), "int64")
    with pytest.raises(InputError, match=r"dtype float64; int64 is expected. Cast it"):
        parse_inputs(np.array([[0.9, 1.5, 2.0]]), card)
    rows, _ = parse_inputs(np.array([[1, 2, 3]], np.int32), card)
    assert rows.dtype == np.int64


@pytest.mark.parametrize(("shape", "axes"), [((2, 8, 9, 3), "0, 3, 1, 2"), ((8, 9, 3), "2, 0, 1")])
def test_prepared_pictures_with_their_channels_last_get_a_hint(shape: tuple[int, ...], axes: str) -> None:
    from runtime.preprocess.kinds.prepared_rows import prepared_rows

    with pytest.raises(InputError) as caught:
        prepared_rows(np.zeros(shape, np.float32), ArrayInput("x", (3, 8, 9)))
    assert f"Its channels are last: give x.transpose({axes})." in str(caught.value)
