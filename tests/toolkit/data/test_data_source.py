"""`--data PATH` finds out what lies there."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

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


def test_a_part_may_lack_a_class_and_may_not_have_another(tmp_path: Path, digit_folder: Path) -> None:
    shutil.copytree(digit_folder, tmp_path / "train")
    shutil.copytree(digit_folder / "two", tmp_path / "val" / "two")
    source = open_source(tmp_path, color="grayscale")
    assert source.validation is not None
    assert source.validation.labels == ("one", "two", "zero")
    assert set(source.validation.targets.tolist()) == {1}
    renamed = open_source(tmp_path, color="grayscale", labels=["uno", "due", "nil"]).validation
    assert renamed is not None
    assert {renamed.labels[target] for target in renamed.targets} == {"due"}
    (tmp_path / "val" / "two").rename(tmp_path / "val" / "twos")
    with pytest.raises(
        InputError, match=r"val has twos; one, two, zero are expected; 'twos' is not among them. Did you"
    ):
        open_source(tmp_path, color="grayscale")


def test_folders_of_parts_without_one_for_training_are_no_classes(tmp_path: Path, digit_folder: Path) -> None:
    for name in ("val", "test"):
        shutil.copytree(digit_folder, tmp_path / name)
    with pytest.raises(InputError, match="holds test, val and no part for training"):
        open_source(tmp_path)
    shutil.copytree(digit_folder, tmp_path / "train")
    shutil.copytree(digit_folder, tmp_path / "valid")
    with pytest.raises(InputError, match="both named for the validation part"):
        open_source(tmp_path)


def test_classes_of_their_own_may_be_named_as_parts_are(tmp_path: Path, digit_folder: Path) -> None:
    for name, here in (("train", "one"), ("plane", "two")):
        shutil.copytree(digit_folder / here, tmp_path / name)
    assert open_source(tmp_path, color="grayscale").train.labels == ("plane", "train")


def test_tables_of_parts_have_the_training_part_s_columns_and_scaling(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b,kind\n1,10,x\n3,30,y\n5,20,z\n")
    (tmp_path / "val.csv").write_text("b,kind,a\n20,z,1\n10,x,5\n")
    (tmp_path / "test.csv").write_text("note,kind,b,a\nhello,y,30,3\n")
    source = open_source(tmp_path)
    assert source.validation is not None
    assert source.test is not None
    assert source.validation.card == source.test.card == source.train.card
    assert source.validation.labels == ("x", "y", "z")
    assert (source.validation.targets.tolist(), source.test.targets.tolist()) == ([2, 0], [1])
    rows = source.train.inputs.take(torch.arange(3))
    assert source.validation.inputs.take(torch.tensor([0])).tolist() == [[rows[0, 0].item(), rows[2, 1].item()]]
    assert torch.equal(source.test.inputs.take(torch.tensor([0]))[0], rows[1])
    swapped = open_source(tmp_path, labels=["z", "y", "x"])
    assert swapped.validation is not None
    assert (swapped.train.targets.tolist(), swapped.validation.targets.tolist()) == ([2, 1, 0], [0, 2])
    (tmp_path / "val.csv").write_text("a,b,kind\n1,2,w\n")
    with pytest.raises(InputError, match="'w' is not among them"):
        open_source(tmp_path)


def test_texts_of_parts_have_the_training_part_s_vocabulary(tmp_path: Path) -> None:
    for part, files in {"train": {"de": "Bauer\nHahn\n", "en": "Smith\n"}, "val": {"en": "Bush\n"}}.items():
        (tmp_path / part).mkdir()
        for name, lines in files.items():
            (tmp_path / part / f"{name}.txt").write_text(lines)
    source = open_source(tmp_path)
    assert source.validation is not None
    assert source.validation.card == source.train.card
    assert (source.validation.labels, source.validation.targets.tolist()) == (("de", "en"), [1])
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "train.csv").write_text("text,mood\nnot good,bad\nfine,good\n")
    (tables / "val.csv").write_text("mood,text\ngood,good\n")
    validation = open_source(tables, level="word").validation
    assert validation is not None
    assert (validation.labels, validation.targets.tolist()) == (("bad", "good"), [1])
    poems = tmp_path / "poems"
    poems.mkdir()
    for part in ("train", "test"):
        (poems / f"{part}.txt").write_text("abc\nab\n")
    assert open_source(poems, task="dense").test is not None
    with pytest.raises(InputError, match="named for parts of the data and would be classes"):
        open_source(poems)


def test_archives_of_parts_go_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "train.npz", data=np.eye(3), label=np.array(["b", "a", "c"]))
    np.savez(tmp_path / "val.npz", data=np.eye(3)[:2], label=np.array(["c", "b"]))
    source = open_source(tmp_path)
    assert source.validation is not None
    assert (source.train.targets.tolist(), source.validation.targets.tolist()) == ([1, 0, 2], [2, 1])
    texts = tmp_path / "texts"
    texts.mkdir()
    np.savez(texts / "train.npz", data=np.array(["not good", "fine"]), label=np.array(["bad", "good"]))
    np.savez(texts / "val.npz", data=np.array(["good"]), label=np.array(["good"]))
    words = open_source(texts, level="word")
    assert words.validation is not None
    assert (words.validation.card, words.validation.targets.tolist()) == (words.train.card, [1])
    np.savez(tmp_path / "val.npz", data=np.eye(2), label=np.array(["c", "b"]))
    with pytest.raises(InputError, match="The val part of"):
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
