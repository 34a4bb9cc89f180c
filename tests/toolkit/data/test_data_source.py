"""`--data PATH` finds out what lies there."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.card import ImageInput
from runtime.errors import InputError
from toolkit.data.source import open_source


def write_idx(folder: Path, prefix: str, pictures: np.ndarray, labels: list[int]) -> None:
    head = struct.pack(">HBB3I", 0, 8, 3, *pictures.shape)
    (folder / f"{prefix}-images-idx3-ubyte").write_bytes(head + pictures.astype("u1").tobytes())
    (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, len(labels)) + bytes(labels))


def test_a_table_is_opened(flowers: Path) -> None:
    source = open_source(flowers)
    assert (len(source.train), source.validation, source.test) == (60, None, None)


def test_a_table_is_opened_for_a_regression(tmp_path: Path) -> None:
    (tmp_path / "a.CSV").write_text("x,y\n1,2.5\n2,3.5\n")
    assert open_source(tmp_path / "a.CSV", task="regression").train.targets.tolist() == [[2.5], [3.5]]


def test_an_npz_file_is_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", data=np.zeros((4, 3)), label=[0, 1, 0, 1])
    assert open_source(tmp_path / "a.npz").train.labels == ("0", "1")


def test_a_folder_of_class_folders_is_opened_with_colour_and_size(digit_folder: Path) -> None:
    train = open_source(digit_folder, color="grayscale", size=(6, 5)).train
    assert train.shape == (1, 6, 5)
    assert train.labels == ("one", "two", "zero")


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training_Set", "val_set", "test_set")])
def test_training_validation_and_test_folders_are_prepared_alike(
    tmp_path: Path, digit_folder: Path, names: tuple[str, str, str]
) -> None:
    for name in names:
        shutil.copytree(digit_folder, tmp_path / name)
    source = open_source(tmp_path, color="grayscale", size=(4, 4))
    assert source.validation is not None
    assert source.test is not None
    assert source.train.card == source.validation.card == source.test.card
    assert source.train.labels == source.validation.labels == source.test.labels
    assert source.train.source != source.test.source


def test_a_part_with_other_classes_is_refused(tmp_path: Path, digit_folder: Path) -> None:
    shutil.copytree(digit_folder, tmp_path / "train")
    shutil.copytree(digit_folder / "one", tmp_path / "val" / "one")
    with pytest.raises(InputError, match="val has the classes one; the training part has one, two, zero"):
        open_source(tmp_path)


def test_the_test_part_of_idx_files_has_the_classes_of_the_training_part(tmp_path: Path) -> None:
    """A small test part may lack classes; its examples keep their class all the same."""
    random = np.random.default_rng(0)
    write_idx(tmp_path, "train", random.integers(0, 256, (6, 4, 4)), [1, 2, 3, 4, 5, 6])
    write_idx(tmp_path, "t10k", random.integers(0, 256, (3, 4, 4)), [6, 2, 6])
    source = open_source(tmp_path)
    assert source.test is not None
    assert source.test.labels == source.train.labels == ("1", "2", "3", "4", "5", "6")
    assert source.test.targets.tolist() == [5, 1, 5]


@pytest.mark.parametrize(("shape", "labels"), [((3, 4, 4), [0, 1, 7]), ((3, 5, 4), [0, 1, 1])])
def test_a_test_part_of_another_kind_is_refused(tmp_path: Path, shape: Any, labels: list[int]) -> None:
    write_idx(tmp_path, "train", np.zeros((3, 4, 4)), [0, 1, 1])
    write_idx(tmp_path, "t10k", np.zeros(shape), labels)
    with pytest.raises(InputError, match=r"The test part of .* is 3 examples of shape .*; the training part is"):
        open_source(tmp_path)


def test_texts_are_found_in_a_folder_in_a_table_and_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "en.txt").write_text("Smith\nO'Neill\n")
    (tmp_path / "names" / "de.txt").write_text("Bauer\n")
    data = open_source(tmp_path / "names", length=4, text_options={"lowercase": True}).train
    assert (data.labels, data.shape, data.targets.tolist()) == (("de", "en"), (4,), [0, 1, 1])
    (tmp_path / "t.tsv").write_text("text\tmood\nnot good\tbad\n")
    table = open_source(tmp_path / "t.tsv", level="word").train
    assert (table.labels, table.shape) == (("bad",), (2,))
    (tmp_path / "poem.txt").write_text("ab\nabc\n")
    assert open_source(tmp_path / "poem.txt", task="dense").train.shape == (2,)


def test_a_column_called_text_may_hold_numbers_or_the_label(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,b\n1,x\n2,y\n")
    assert open_source(tmp_path / "a.csv").train.dtype == "float32"
    (tmp_path / "b.csv").write_text("a,b,text\n1,2,x\n2,3,y\n")
    assert open_source(tmp_path / "b.csv").train.labels == ("x", "y")


def test_the_label_column_and_the_scaling_reach_the_table(flowers: Path) -> None:
    table = flowers.with_name("numbers.csv")
    lines = flowers.read_text().splitlines()
    table.write_text("\n".join(line.rpartition(",")[0] for line in lines))
    data = open_source(table, task="regression", label="petal width", scale=False).train
    assert data.labels == ("petal width",)
    assert data.card.mean == ()  # type: ignore[union-attr]


def test_the_whole_preparation_of_pictures_can_be_given(digit_folder: Path) -> None:
    card = ImageInput("input", "grayscale", (1, 1), resize=(10, 10), crop=(6, 6))
    data = open_source(digit_folder, card=card).train
    assert data.shape == (1, 6, 6)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing", "does not exist. Check the path"),
        ("notes.txt", "is a .txt; a .csv, .tsv or .npz file or a folder is expected"),
        ("plain", "is a file without suffix; a .csv, .tsv or .npz file"),
        ("empty", "holds no pictures in class folders"),
    ],
)
def test_anything_else_is_explained(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "plain").write_text("hello")
    with pytest.raises(InputError, match=words):
        open_source(tmp_path / name)
