"""Preprocessors of the kinds: items from paths, rows as a file takes them, and the registry."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

from runtime.card import ArrayInput, ImageInput, InputCard, SequenceInput, TableInput, TextInput
from runtime.errors import CardError, InputError
from runtime.preprocess import prepare_image, raw_pixels
from runtime.preprocess.kinds import preprocessor_of, register_preprocessor

IMAGE = ImageInput("i", "RGB", (4, 4), resize=(4, 4))
TABLE = TableInput("t", ("a", "b"), (1.0, 2.0), (2.0, 2.0))
TEXT = TextInput("w", ("a", "b", "c"), 3)
SEQUENCE = SequenceInput("s", 2, 4)
ARRAY = ArrayInput("x", (3,))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    (tmp_path / "pictures").mkdir()
    for name in ("2.png", "10.png"):
        Image.fromarray(pixels).save(tmp_path / "pictures" / name)
    (tmp_path / "rows.csv").write_text("a,b,label\n3,4,7\n5,6,8\n", encoding="utf-8")
    (tmp_path / "lines.txt").write_text("abc\ncba\n", encoding="utf-8")
    np.save(tmp_path / "steps.npy", np.arange(6.0).reshape(3, 2))
    return tmp_path


def find(card: InputCard, *paths: Path) -> Any:
    return preprocessor_of(card).find(paths, card, "model.onnx")


def test_paths_become_items_or_rows(files: Path) -> None:
    pictures, rows, lines, steps = (files / name for name in ("pictures", "rows.csv", "lines.txt", "steps.npy"))
    assert [path.name for path in find(IMAGE, pictures, pictures / "2.png")] == ["2.png", "10.png", "2.png"]
    np.testing.assert_array_equal(find(TABLE, rows, rows), [[1, 1], [2, 2]] * 2)
    assert find(TEXT, lines, lines) == ["abc", "cba"] * 2
    assert [array.shape for array in find(SEQUENCE, steps, steps)] == [(3, 2)] * 2


def test_paths_that_do_not_fit_are_refused(files: Path) -> None:
    with pytest.raises(InputError, match=r"is no file\. Put the texts into one"):
        find(TEXT, files / "good day")
    with pytest.raises(CardError, match=r"^model\.onnx takes plain arrays, not files"):
        find(ARRAY, files / "rows.csv")


def test_a_file_that_prepares_is_fed_raw_pictures(files: Path) -> None:
    picture = files / "pictures" / "2.png"
    raw = replace(IMAGE, prepared_in_graph=True)
    np.testing.assert_array_equal(preprocessor_of(IMAGE).feed([picture], IMAGE), prepare_image(picture, IMAGE)[None])
    np.testing.assert_array_equal(preprocessor_of(raw).feed([picture], raw), raw_pixels(picture, raw)[None])
    assert preprocessor_of(raw).feed_one(picture, raw).dtype == np.uint8
    np.testing.assert_array_equal(preprocessor_of(TEXT).feed_one("abc", TEXT), [0, 1, 2])


def test_a_batch_of_grey_pictures_is_not_one_picture_of_several_channels() -> None:
    pixels = np.zeros((3, 5, 4), np.uint8)
    image = preprocessor_of(IMAGE)
    assert [len(image.parse(pixels, IMAGE)[0]), len(image.parse_batch(pixels, IMAGE)[0])] == [1, 3]
    assert image.parse_batch(np.zeros((2, 3, 4, 4), np.float32), IMAGE)[0].shape == (2, 3, 4, 4)
    np.testing.assert_array_equal(preprocessor_of(TABLE).parse_batch(np.array([[3, 4]]), TABLE)[0], [[1, 1]])


def test_items_are_prepared_apart_together_or_not_at_all() -> None:
    cards = (IMAGE, TABLE, TEXT, SEQUENCE, ARRAY)
    assert [preprocessor_of(card).items for card in cards] == ["apart", None, "together", "together", None]
    for card in (TABLE, ARRAY):
        with pytest.raises(InputError, match="rows that are prepared already are expected, and 2 unprepared"):
            preprocessor_of(card).prepare(["a", "b"], card)


def test_columns_of_a_table_go_by_name_where_there_are_names(tmp_path: Path) -> None:
    table = preprocessor_of(TABLE)
    (tmp_path / "turned.csv").write_text("b,label,a\n2,x,1\n4,y,3\n")
    expected = [[1, 2], [3, 4]]
    frame = pandas.DataFrame({"b": [2, 4], "label": ["x", "y"], "a": [1, 3]})
    for data in (
        tmp_path / "turned.csv",
        frame,
        [{"b": 2, "a": 1, "more": 0}, {"a": 3, "b": 4}],
        [[1, 2], [3, 4]],
        np.array(expected),
        pandas.DataFrame(expected),  # columns 0 and 1 are no names
    ):
        rows, single = table.parse(data, TABLE)
        np.testing.assert_array_equal(rows, (np.array(expected) - [1, 2]) / 2)
        assert not single
    row, single = table.parse({"b": 4, "a": 3}, TABLE)
    assert single and row.tolist() == [[1, 1]]
    for data, words in (
        (
            frame.rename(columns={"b": "c"}),
            r"The data frame lacks the columns b; the model takes a, b, and there are c, label, a",
        ),
        ([{"a": 1, "b": 2}, {"a": 1}], r"Row 2 lacks the columns b"),
        ({"a": 1}, r"The row lacks the columns b"),
    ):
        with pytest.raises(InputError, match=words):
            table.parse(data, TABLE)
    (tmp_path / "twice.csv").write_text("a,b,b\n1,2,3\n")
    with pytest.raises(InputError, match="has the column 'b' twice"):
        table.parse(tmp_path / "twice.csv", TABLE)


def test_a_kind_has_one_preprocessor() -> None:
    with pytest.raises(ValueError, match="'table' has a preprocessor already"):
        register_preprocessor("table", "elsewhere")


def test_a_picture_brings_in_no_other_kind() -> None:
    code = """
import sys
import numpy as np
from runtime.card import ImageInput
from runtime.preprocess.inputs import prepare
prepare(np.zeros((4, 4, 3), np.uint8), ImageInput("x", "RGB", (4, 4)))
print(sorted(name for name in sys.modules if name.startswith("runtime.preprocess.kinds.")))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kinds = ("image", "prepared_rows", "preprocessor", "registry")
    assert ended.stdout.strip() == str([f"runtime.preprocess.kinds.{name}" for name in kinds])
