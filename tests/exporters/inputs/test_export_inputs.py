"""What an export knows of each kind of input: raw samples, random rows, examples, words, and the registry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from exporters.inputs import kind_of, register_kind
from exporters.inputs.image import pixels_of
from runtime.card import ArrayInput, ImageInput, InputCard, SequenceInput, TableInput, TextInput
from runtime.errors import InputError
from runtime.preprocess.inputs import prepare

IMAGE = ImageInput("i", "RGB", (6, 5), resize=(6, 5), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
TABLE = TableInput("t", ("a", "b"), (1.0, 2.0), (2.0, 3.0))
TEXT = TextInput("w", ("<pad>", "?", "a", "b", "c"), 4, padding=0, unknown=1)
SEQUENCE = SequenceInput("s", 2, 4, (1.0, 2.0), (2.0, 3.0))
PADDED = replace(SEQUENCE, fill="nan")
ARRAY = ArrayInput("x", (3, None), "int64")
CARDS: tuple[InputCard, ...] = (IMAGE, TABLE, TEXT, SEQUENCE, ARRAY)
NETWORK = torch.nn.Embedding(7, 2)


def rows_of(card: InputCard, rows: int = 3) -> Any:
    return kind_of(card).random_rows(NETWORK, card, rows, np.random.default_rng(0))


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.kind)
def test_random_rows_are_such_as_the_card_prepares(card: InputCard) -> None:
    found = rows_of(card)
    assert found.dtype == card.dtype
    assert found.shape == (3, *(12 if length is None else length for length in card.shape))
    np.testing.assert_array_equal(found, rows_of(card))


def test_whole_numbers_fit_the_smallest_embedding_and_a_mask_leaves_all_in() -> None:
    assert set(np.unique(rows_of(ArrayInput("x", (500,), "int64")))) == set(range(7))
    assert rows_of(ArrayInput("x", (4,), "bool")).all()
    with pytest.raises(InputError, match="has the dtype 'float7'"):
        rows_of(ArrayInput("x", (4,), "float7"))


@pytest.mark.parametrize(
    "card", [IMAGE, replace(IMAGE, layout="NHWC"), TABLE, TEXT, SEQUENCE, PADDED], ids=lambda card: card.kind
)
def test_a_raw_file_prepares_to_its_row(card: InputCard) -> None:
    row = rows_of(card, 1)[0] if card.kind != "text" else np.array([2, 4, 3, 0])
    name, content = kind_of(card).raw_file(row, card)
    found, _ = prepare(kind_of(card).read_raw(content), card)
    assert Path(name).suffix in (".png", ".csv", ".txt", ".npy")
    np.testing.assert_allclose(found[0], row, atol=1e-2)


def test_arrays_have_no_raw_file_and_no_script() -> None:
    assert kind_of(ARRAY).raw_file(np.zeros(3), ARRAY) == ("", b"")
    assert kind_of(ARRAY).script(ARRAY) is None


@pytest.mark.parametrize("card", CARDS[:4], ids=lambda card: card.kind)
def test_the_preparation_of_a_script_is_python(card: InputCard) -> None:
    script = kind_of(card).script(card)
    assert script is not None
    compile("\n".join([*script.imports, script.function]), "run.py", "exec")
    assert script.function.startswith("def prepare(path):")


def test_the_words_of_each_kind() -> None:
    kinds = [kind_of(card) for card in CARDS]
    assert [kind.plural for kind in kinds] == ["pictures", "tables", "texts", "sequences", "arrays"]
    assert [kind.predicted for kind in kinds] == ["IMAGES", "TABLE.csv", "LINES.txt", "ARRAY.npy", None]
    assert [kind.file_name for kind in kinds] == ["picture.png", "rows.csv", "lines.txt", "sequence.npy", None]
    assert [kind.packages for kind in kinds] == [("pillow>=9.1",), (), (), (), ()]
    assert all(kind.expected for kind in kinds)


def test_examples_of_pictures(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "test" / name).mkdir(parents=True)
        Image.new("RGB", (5, 6)).save(tmp_path / "test" / name / "1.png")
    kind = kind_of(IMAGE)
    found = kind.folder_items(tmp_path / "test", "test", ("cat", "dog", "cow"))
    assert found is not None
    assert (found.names, found.folder) == (["cat", "dog"], tmp_path / "test")
    for labels in (None, ("cat",)):
        found = kind.folder_items(tmp_path, "test", labels)
        assert found is not None
        assert (len(found.items), found.names) == (2, None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no picture"):
        kind.folder_items(tmp_path / "empty", "train", None)
    assert kind.file_items(tmp_path / "1.png") == [tmp_path / "1.png"]
    pixels = np.zeros((2, 6, 5, 3), np.uint8)
    assert len(kind.array_items(pixels, None, IMAGE, tmp_path)) == 2
    assert kind.array_items(np.zeros((2, 3, 6, 5), np.float32), None, IMAGE, tmp_path).dtype == np.float32


def test_examples_of_texts_and_sequences(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("abc\ncab\n", encoding="utf-8")
    text = kind_of(TEXT)
    found = text.folder_items(tmp_path, "train", None)
    assert found is not None
    assert (found.items, found.names) == (["abc", "cab"], ["good", "good"])
    assert text.file_items(tmp_path / "good.txt") == ["abc", "cab"]
    assert text.file_items(tmp_path / "good.bin") is None
    steps = kind_of(SEQUENCE).array_items(np.zeros((5, 2)), np.array([2, 3]), SEQUENCE, tmp_path)
    assert [len(step) for step in steps] == [2, 3]


@pytest.mark.parametrize("card", [TABLE, SEQUENCE, ARRAY], ids=lambda card: card.kind)
def test_other_kinds_take_no_folder_and_no_other_file(card: InputCard, tmp_path: Path) -> None:
    assert kind_of(card).folder_items(tmp_path, "train", None) is None
    assert kind_of(card).file_items(tmp_path / "x.txt") is None


def test_one_input_alone_is_no_batch_of_examples(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds one input of shape \(2,\); a batch of them is expected"):
        kind_of(TABLE).array_items(np.zeros(2), None, TABLE, tmp_path)


def test_only_pictures_have_standard_metadata_and_are_made_up_raw() -> None:
    assert kind_of(IMAGE).standard_metadata(IMAGE) == {
        "Image.BitmapPixelFormat": "Rgb8",
        "Image.ColorSpaceGamma": "SRGB",
    }
    labels, pictures = zip(*kind_of(IMAGE).raw_items(IMAGE), strict=True)
    assert labels == ("a picture of 64 x 96", "a picture of 97 x 53", "a picture of 224 x 224")
    assert [picture.shape for picture in pictures] == [(64, 96, 3), (97, 53, 3), (224, 224, 3)]
    for card in CARDS[1:]:
        assert kind_of(card).standard_metadata(card) is None
        assert list(kind_of(card).raw_items(card)) == []


def test_pixels_are_what_a_row_was_prepared_from() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
    rows, _ = prepare(pixels, IMAGE)
    np.testing.assert_array_equal(pixels_of(rows[0], IMAGE), pixels)


def test_a_kind_is_registered_once() -> None:
    with pytest.raises(ValueError, match="'table' has a module already"):
        register_kind("table", "elsewhere")
