"""Inputs of a model of several: by name, as a list, or from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime.card import ImageInput, SequenceInput, TableInput, TextInput
from runtime.errors import InputError
from runtime.preprocess.named_inputs import NamedItems, join_items, parse_named_inputs

PICTURE = ImageInput("picture", "grayscale", (4, 4), resize=(4, 4))
ROW = TableInput("row", ("x", "y"), mean=(1.0, 2.0))
WORDS = TextInput("words", ("_", "?", "a", "b"), 3, "character", 0, 1)
STEPS = SequenceInput("steps", 2, 3)
CARDS = (PICTURE, ROW, WORDS, STEPS)
GREY = np.full((4, 4), 9, np.uint8)
ONE = {"picture": GREY, "row": [1, 2], "words": "ab", "steps": np.ones((2, 2))}


def test_one_of_each_is_one_input_and_several_are_many() -> None:
    items, single = parse_named_inputs(ONE, CARDS)
    assert (len(items), single) == (1, True)
    np.testing.assert_array_equal(items.values["row"], [[0, 0]])
    many = {"picture": [GREY] * 2, "row": [[1, 2], [3, 4]], "words": ["a", "b"], "steps": [np.ones((1, 2))] * 2}
    items, single = parse_named_inputs(many, CARDS)
    assert (len(items), single) == (2, False)
    assert (len(items.take(1, 2)), items.take(1, 2).values["words"]) == (1, ["b"])
    assert parse_named_inputs(items, CARDS) == (items, False)


def test_a_list_is_put_together_in_its_order_prepared_or_not() -> None:
    floats = {**ONE, "picture": np.full((1, 4, 4), 0.5, np.float32), "words": "b"}
    items, single = parse_named_inputs([ONE, floats], CARDS)
    assert (len(items), single) == (2, False)
    pictures = items.values["picture"]
    assert isinstance(pictures, np.ndarray)
    np.testing.assert_allclose(pictures[:, 0, 0, 0], [9 / 255, 0.5], rtol=1e-6)
    assert items.values["words"] == ["ab", "b"]
    assert len(parse_named_inputs([], CARDS)[0]) == 0
    assert len(join_items([items, items], CARDS)) == 4


def test_an_input_comes_from_the_first_of_its_files_and_texts(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "1.png")
    named = {**ONE, "picture": str(tmp_path / "1.png")}
    assert parse_named_inputs([named, ONE], CARDS)[0].sources == [str(tmp_path / "1.png"), "ab"]
    assert NamedItems({"row": np.zeros((2, 1))}).sources == [None, None]


def test_a_file_holds_one_array_for_each(tmp_path: Path) -> None:
    arrays = {
        "picture": np.stack([GREY] * 3),
        "row": np.ones((3, 2)),
        "words": np.array(["a", "b", "ab"]),
        "steps": np.ones((3, 2, 2)),
    }
    np.savez(tmp_path / "all.npz", **arrays)
    items, single = parse_named_inputs(tmp_path / "all.npz", CARDS)
    assert (len(items), single) == (3, False)
    assert [len(items.values[name]) for name in arrays] == [3] * 4
    np.savez(tmp_path / "one.npz", **{**arrays, "row": np.ones(2)})
    with pytest.raises(InputError, match=r"holds one input 'row' of shape \(2,\); a batch of them is expected"):
        parse_named_inputs(tmp_path / "one.npz", CARDS)
    np.savez(tmp_path / "few.npz", **{**arrays, "row": np.ones((2, 2))})
    with pytest.raises(InputError, match="picture 3, row 2, words 3, steps 3"):
        parse_named_inputs(tmp_path / "few.npz", CARDS)
