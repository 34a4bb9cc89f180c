"""Names given for classes: those of the data mean themselves, whatever their order, in every reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from runtime.errors import InputError
from tests.toolkit.data.test_data_source import write_idx
from toolkit.data import (
    Dataset,
    load_arrays,
    load_csv,
    load_frame,
    load_images,
    load_npz,
    load_sequences,
    load_text_folder,
    load_text_table,
    load_texts,
    load_torch_dataset,
    open_source,
)
from toolkit.tasks.given_names import place_of_each

NAMES = ["cat", "dog", "dog", "owl", "cat", "owl"]
ROWS = np.arange(12.0).reshape(6, 2)
ORDERS = (["owl", "cat", "dog"], ["dog", "owl", "cat"], {"owl": 0, "dog": 1, "cat": 2}, {2: "cat", 0: "owl", 1: "dog"})


class Items(torch.utils.data.Dataset[Any]):
    classes = ("cat", "dog", "owl")

    def __init__(self, names: bool = False) -> None:
        self.names = names

    def __len__(self) -> int:
        return len(NAMES)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, Any]:
        name = NAMES[index]
        return torch.from_numpy(ROWS[index]), name if self.names else self.classes.index(name)


def folder(to: Path, labels: Any) -> Dataset:
    for number, name in enumerate(NAMES):
        (to / name).mkdir(exist_ok=True)
        Image.new("L", (4, 4), number).save(to / name / f"{number}.png")
    return load_images(to, color="grayscale", labels=labels)


def npz(to: Path, labels: Any) -> Dataset:
    np.savez(to / "a.npz", data=ROWS, label=np.array(NAMES))
    return load_npz(to / "a.npz", labels=labels)


def csv(to: Path, labels: Any) -> Dataset:
    pandas.DataFrame({"a": ROWS[:, 0], "kind": NAMES}).to_csv(to / "a.csv", index=False)
    return load_csv(to / "a.csv", labels=labels)


def text_table(to: Path, labels: Any) -> Dataset:
    pandas.DataFrame({"text": [*"abcdef"], "kind": NAMES}).to_csv(to / "t.csv", index=False)
    return load_text_table(to / "t.csv", labels=labels)


def text_folder(to: Path, labels: Any) -> Dataset:
    for name in sorted(set(NAMES)):
        (to / f"{name}.txt").write_text("a\n" * NAMES.count(name))
    return load_text_folder(to, labels=labels)


READERS: dict[str, Callable[[Path, Any], Dataset]] = {
    "arrays": lambda to, labels: load_arrays(ROWS, np.array(NAMES), labels=labels),
    "frame": lambda to, labels: load_frame(pandas.DataFrame({"a": ROWS[:, 0], "kind": NAMES}), labels=labels),
    "texts": lambda to, labels: load_texts([*"abcdef"], NAMES, labels=labels),
    "sequences": lambda to, labels: load_sequences([ROWS[: n + 1] for n in range(6)], NAMES, labels=labels),
    "torch, positions": lambda to, labels: load_torch_dataset(Items(), labels=labels),
    "torch, names": lambda to, labels: load_torch_dataset(Items(names=True), labels=labels),
    "folder": folder,
    "npz": npz,
    "csv": csv,
    "text table": text_table,
    "text folder": text_folder,
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_names_of_the_data_in_another_order_keep_their_examples(reader: Any, tmp_path: Path) -> None:
    plain = reader(tmp_path, None)
    wanted = [plain.labels[target] for target in plain.targets]
    assert sorted(wanted) == sorted(NAMES)
    for order in ORDERS:
        data = reader(tmp_path, order)
        assert [data.labels[target] for target in data.targets] == wanted
        assert data.labels == (tuple(order) if isinstance(order, list) else ("owl", *data.labels[1:]))


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["cat", "dog", "wolf"], "'owl' is not among them"),
        (["cat", "dog"], "'owl' is not among them"),
        (["cat", "dog", "owl", "wolf"], "'wolf' is not in it"),
        (["Owl", "Cat", "Dog"], "'Owl' would be the new name of 'cat', and is like 'owl'"),
        ({"cat", "dog", "owl"}, "A set has no order"),
        ("cat", "a list of names"),
    ],
)
def test_names_that_are_some_of_the_data_s_and_some_not_are_refused(
    reader: Any, labels: Any, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        reader(tmp_path, labels)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_new_names_take_the_places_of_those_in_the_data(reader: Any, tmp_path: Path) -> None:
    data = reader(tmp_path, ["Katze", "Hund", "Eule"])
    german = {"cat": "Katze", "dog": "Hund", "owl": "Eule"}
    plain = reader(tmp_path, None)
    assert [data.labels[t] for t in data.targets] == [german[plain.labels[t]] for t in plain.targets]


@pytest.mark.parametrize(
    ("y", "labels", "wanted"),
    [
        ([0, 1, 1], ["1", "0"], [1, 0, 0]),
        ([1, 2, 2], ["2", "1"], [1, 0, 0]),
        ([1.0, 2.0, 2.0], [2.0, 1.0], [1, 0, 0]),
        (["01", "02", "02"], ["02", "01"], [1, 0, 0]),
        ([False, True, True], ["True", "False"], [1, 0, 0]),
        ([0, 3, 3], ["3", "2", "1", "0"], [3, 0, 0]),
        ([1, 2, 2], ["0", "1", "2"], [1, 2, 2]),
        ([0, 1, 1], ["no", "yes"], [0, 1, 1]),
        ([0, 3, 3], ["a", "b", "c", "d"], [0, 3, 3]),
        ([5, 7, 7], ["five", "seven"], [0, 1, 1]),
    ],
)
def test_whole_numbers_are_names_too(y: Any, labels: Any, wanted: list[int]) -> None:
    assert load_arrays(ROWS[:3], np.array(y), labels=labels).targets.tolist() == wanted


def test_numbers_of_which_some_are_names_and_some_not_are_refused() -> None:
    with pytest.raises(InputError, match="'0' is not among them"):
        load_arrays(ROWS[:3], [0, 1, 2], labels=["1", "2", "3"])


def test_a_data_set_s_whole_numbers_are_positions_in_its_own_classes_also_where_these_are_numbers() -> None:
    class Numbered(Items):
        classes = ("2", "1", "0")

        def __getitem__(self, index: int) -> tuple[torch.Tensor, Any]:
            return torch.from_numpy(ROWS[index]), index % 3

    data = load_torch_dataset(Numbered())
    assert (data.labels, data.targets.tolist()) == (("2", "1", "0"), [0, 1, 2, 0, 1, 2])
    assert load_torch_dataset(Numbered(), labels=["0", "1", "2"]).targets.tolist() == [2, 1, 0, 2, 1, 0]


def test_idx_files_and_folders_take_classes_through_open_source(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", np.zeros((3, 4, 4)), [1, 2, 3])
    write_idx(tmp_path, "t10k", np.zeros((2, 4, 4)), [3, 2])
    source = open_source(tmp_path, labels=["3", "1", "2"])
    assert source.test is not None
    assert (source.train.labels, source.train.targets.tolist()) == (("3", "1", "2"), [1, 2, 0])
    assert (source.test.labels, source.test.targets.tolist()) == (("3", "1", "2"), [0, 2])


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_label_columns_are_named_in_the_order_of_the_outputs(task: str, tmp_path: Path) -> None:
    frame = pandas.DataFrame({"a": ROWS[:, 0], "warm": [0, 0, 1, 1, 1, 0], "wet": [1, 0, 0, 0, 0, 0]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    options: dict[str, Any] = {"task": task, "label": ["warm", "wet"]}
    for data in (
        load_csv(tmp_path / "a.csv", labels=["wet", "warm"], **options),
        load_frame(frame, labels=["wet", "warm"], **options),
    ):
        assert data.labels == ("wet", "warm")
        assert data.targets.tolist() == frame[["wet", "warm"]].to_numpy().tolist()
    assert (
        load_frame(frame, labels=["hot", "rainy"], **options).targets.tolist()
        == frame[["warm", "wet"]].to_numpy().tolist()
    )
    for labels in (["wet", "hot"], ["wet"], ["wet", "warm", "cold"]):
        with pytest.raises(InputError, match="names were given"):
            load_csv(tmp_path / "a.csv", labels=labels, **options)


def test_numbers_at_positions_are_names_too() -> None:
    steps, kinds = np.zeros((2, 3, 1)), np.array([[0, 1, -100], [1, 2, 0]])
    data = load_arrays(steps, kinds, task="dense", labels=["2", "1", "0"])
    assert data.targets.tolist() == [[2, 1, -100], [1, 0, 2]]
    assert load_arrays(steps, kinds, task="dense", labels=["x", "y", "z"]).targets.tolist() == kinds.tolist()


@given(st.permutations(["a", "b", "c", "d"]), st.permutations(["a", "b", "c", "d"]))
def test_every_name_finds_itself(found: Sequence[str], names: Sequence[str]) -> None:
    assert [names[place] for place in place_of_each(found, names, "", "")] == list(found)
