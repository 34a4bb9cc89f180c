"""Classes, values and columns by name through the doors of `nn`: data for a network that has its order already, and parts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import runtime
from exporters import export
from runtime.errors import InputError, SpecError
from toolkit import nn

ROWS = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
NAMES = np.where(ROWS[:, 0] > 0, "dog", "cat")


@pytest.fixture
def trained(tmp_path: Path) -> nn:
    model = nn("cls", save_fold=tmp_path / "run")
    model.set_seed(0)
    model.load_dataset(ROWS, NAMES)
    model.add("linear", size=(2, 2), activation="softmax")
    model.train(lr=0.1, epochs=20, verbose=False)
    return model


@pytest.mark.parametrize("classes", [None, ["dog", "cat"], ["cat", "dog"]])
def test_data_for_a_network_that_was_loaded_has_its_classes_in_its_order(trained: nn, classes: Any) -> None:
    again = nn("cls", save_fold=Path(trained.save_fold) / "again")
    again.load(Path(trained.save_fold) / "basenn.pth")
    again.load_dataset(ROWS, NAMES, classes=classes)
    assert again.batches[0].data.labels == ("cat", "dog")
    assert again.train(lr=1e-9, epochs=1, verbose=False)[0]["acc"] > 0.9
    few = NAMES == "dog"
    again.load_dataset(ROWS[few], NAMES[few])
    assert (again.batches[0].data.labels, set(again.batches[0].data.targets)) == (("cat", "dog"), {1})


def test_a_class_that_the_network_has_in_another_place_is_refused(trained: nn) -> None:
    with pytest.raises(InputError, match="'cat' in another place"):
        trained.load_dataset(ROWS, np.where(ROWS[:, 0] > 0, "cat", "ant"))
    trained.load_dataset(ROWS, np.where(ROWS[:, 0] > 0, "cat", "ant"), classes=["cat", "ant"])
    assert trained.batches[0].data.labels == ("cat", "ant")


def test_weights_of_the_same_classes_in_another_order_are_refused(trained: nn) -> None:
    path = Path(trained.save_fold) / "basenn.pth"
    model = nn("cls", save_fold=path.parent / "other")
    model.load_dataset(ROWS, NAMES, classes=["dog", "cat"])
    model.add("linear", size=(2, 2), activation="softmax")
    for begin in (lambda: model.load_weights(path), lambda: model.train(checkpoint=path, epochs=1, verbose=False)):
        with pytest.raises(
            SpecError, match=r"are cat, dog, in this order; the data has dog, cat.*classes=\['cat', 'dog'\]"
        ):
            begin()
    model.load_dataset(ROWS, NAMES, classes=["cat", "dog"])
    assert model.load_weights(path).share == 1


def test_the_labels_of_an_export_are_the_network_s_in_their_order_or_new_ones(trained: nn, tmp_path: Path) -> None:
    path = Path(trained.save_fold) / "basenn.pth"
    for labels in (["dog", "cat"], ["dog", "wolf"]):
        with pytest.raises(SpecError, match="the network's own are cat, dog, in this order"):
            export(path, tmp_path / "a.onnx", labels=labels)
    export(path, tmp_path / "a.onnx", labels={1: "Hund", 0: "Katze"})
    card = runtime.load(tmp_path / "a.onnx").card
    assert card is not None and card.labels == ("Katze", "Hund")


def test_folders_of_parts_are_parts_through_every_door(digit_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(digit_folder, tmp_path / "data" / "train")
    shutil.copytree(digit_folder / "two", tmp_path / "data" / "val" / "two")
    model = nn("cls")
    train, validation = model.load_img_data(tmp_path / "data", color="grayscale")
    assert train.data.labels == validation.data.labels == ("one", "two", "zero")
    assert set(validation.targets().tolist()) == {1}
    shutil.copytree(digit_folder, tmp_path / "data" / "test")
    shutil.rmtree(tmp_path / "data" / "val")
    cut, rest = nn("cls").load_img_data(tmp_path / "data", color="grayscale", train_val_ratio=0.8)
    assert cut.examples + rest.examples == train.examples


def test_tables_and_archives_of_parts_are_parts(tmp_path: Path) -> None:
    for part, rows in (("train", slice(0, 30)), ("val", slice(30, 40))):
        pandas.DataFrame({"a": ROWS[rows, 0], "b": ROWS[rows, 1], "kind": NAMES[rows]}).to_csv(
            tmp_path / f"{part}.csv", index=False
        )
        np.savez(tmp_path / f"{part}.npz", data=ROWS[rows], label=NAMES[rows])
    for load in ("load_tab_data", "load_npz_data"):
        train, validation = getattr(nn("cls"), load)(tmp_path, classes=["dog", "cat"])
        assert (train.examples, validation.examples) == (30, 10)
        for part, rows in ((train, slice(0, 30)), (validation, slice(30, 40))):
            assert [part.data.labels[target] for target in part.data.targets] == NAMES[rows].tolist()
