"""Data frames, of pandas or as a mapping of columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from runtime.card import TableInput
from runtime.errors import InputError
from toolkit.data.dataset import Dataset
from toolkit.data.readers.frames import is_frame, load_frame
from toolkit.data.readers.tables import load_csv

COLUMNS = {"a": [1.0, 2.0, 4.0], "b": [1, 0, 1], "kind": ["x", "y", "x"]}


def inputs(data: Dataset) -> np.ndarray:
    return data.inputs.take(torch.arange(len(data))).numpy()


@pytest.mark.parametrize("make", [dict, pd.DataFrame, lambda c: pd.DataFrame(c).convert_dtypes()])
def test_a_frame_gives_what_its_file_gives(make: Any, tmp_path: Path) -> None:
    frame = make(COLUMNS)
    pd.DataFrame(COLUMNS).to_csv(tmp_path / "t.csv", index=False)
    data, from_file = load_frame(frame), load_csv(tmp_path / "t.csv")
    assert data.card == from_file.card
    assert data.labels == from_file.labels == ("x", "y")
    np.testing.assert_array_equal(inputs(data), inputs(from_file))
    np.testing.assert_array_equal(data.targets, from_file.targets)


def test_the_label_is_named_and_may_be_of_several_kinds() -> None:
    frame = pd.DataFrame(COLUMNS).assign(kind=pd.Categorical(COLUMNS["kind"]), flag=[True, False, True])
    data = load_frame(frame, "kind", scale=False)
    assert isinstance(data.card, TableInput)
    assert data.card.columns == ("a", "b", "flag")
    assert inputs(data)[:, 2].tolist() == [1, 0, 1]
    assert load_frame(frame.drop(columns="kind"), "b").labels == ("0", "1")
    several = load_frame(frame.drop(columns="kind"), ["b", "flag"], task="multilabel")
    assert several.targets.tolist() == [[1, 1], [0, 0], [1, 1]]
    assert several.labels == ("b", "flag")
    values = load_frame(frame.drop(columns="kind"), ["a", "b"], task="regression")
    assert values.targets.tolist() == [[1, 1], [2, 0], [4, 1]]


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"a": [1.0, np.nan, 2.0]}, {}, "row 2, column 'a': the cell is nan; a number is expected"),
        ({"a": [1.0, None, "x"]}, {}, "row 2, column 'a'"),
        ({"a": ["u", "v", "w"]}, {}, "row 1, column 'a': the cell is 'u'"),
        ({"a": pd.to_datetime(["2020-01-01"] * 3)}, {}, "column 'a' holds dates or times"),
        ({"kind": ["x", None, "y"]}, {}, "row 2, column 'kind': the label is missing"),
        ({"kind": ["x", "", "y"]}, {}, "row 2, column 'kind': the label is missing"),
        ({"kind": [1.0, np.nan, 2.0]}, {}, "row 2, column 'kind': the label is missing"),
        ({"kind": pd.array([1, None, 2], "Int64")}, {}, "row 2, column 'kind': the label is missing"),
        ({}, {"label": "knd"}, "has no column 'knd' for the label. Did you mean 'kind'?"),
        ({}, {"label": ["a", "b", "kind"]}, "no columns but the labels"),
        ({}, {"task": "regression"}, "row 1, column 'kind': the cell is 'x'"),
        ({}, {"label": ["a", "b"]}, "2 label columns were named for a classification (a, b)"),
    ],
)
def test_what_is_missing_or_no_number_is_named(change: dict[str, Any], options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        load_frame(pd.DataFrame({**COLUMNS, **change}), **options)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (3, "A int was given; a data frame"),
        (np.zeros((3, 2)), "A ndarray was given"),
        ({}, "has 0 columns"),
        (pd.DataFrame({"a": []}), "has 1 columns"),
        (pd.DataFrame({"a": [], "b": []}), "has no rows"),
        (pd.DataFrame(np.zeros((2, 2))), "a column named 0; texts are expected"),
        ({"a": [1, 2], "b": [[1, 2], [3, 4]], "c": [0, 1]}, "column 'b' has the shape (2, 2)"),
        ({"a": [1, 2, 3], "b": [1, 2]}, "The columns differ in length: a 3, b 2"),
    ],
)
def test_what_is_no_frame_is_refused(frame: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        load_frame(frame)
    assert words in str(caught.value)


def test_arrays_and_torch_data_sets_are_no_frames() -> None:
    assert is_frame(pd.DataFrame(COLUMNS))
    assert is_frame(COLUMNS)
    assert not is_frame(np.zeros(3))
    assert not is_frame(torch.utils.data.TensorDataset(torch.zeros(3)))


@pytest.mark.parametrize(
    ("names", "words"),
    [(["Unnamed: 0", "a", "kind"], "a column without a name"), (["label", "a", "b"], "Say which is the label")],
)
def test_a_frame_with_an_index_or_its_label_first_is_explained(names: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_frame({name: [0, 1] for name in names})
