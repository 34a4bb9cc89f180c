"""One rule for columns, whatever names them: by name where there are names, else by position."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from runtime.card import TableInput, TextInput
from runtime.errors import InputError
from runtime.preprocess.inputs import prepare

CARD = TableInput("input", ("a", "b"))
Row = collections.namedtuple("Row", ["b", "note", "a"])


class Arrow:
    """A table as pyarrow has it: names apart from the columns."""

    column_names = ("b", "a")

    def __getitem__(self, name: str) -> Any:
        return {"a": [1, 3], "b": [2, 4]}[name]


def file(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "data",
    [
        [[1, 2], [3, 4]],
        np.array([[1, 2], [3, 4]]),
        pandas.DataFrame([[1, 2], [3, 4]]),
        pandas.DataFrame({"b": [2, 4], "a": [1, 3]}),
        pandas.DataFrame({"b": [2, 4], "label": ["x", "y"], "a": [1, 3]}),
        pandas.DataFrame({" b": [2, 4], "a ": [1, 3]}),
        pandas.DataFrame([[2, 9, 9, 1], [4, 9, 9, 3]], columns=["b", "c", "c", "a"]),
        {"b": [2, 4], "a": [1, 3]},
        {"b": np.array([2, 4]), "a": pandas.Series([1, 3])},
        [{"b": 2, "a": 1}, {"a": 3, "b": 4, "note": "x"}],
        [{"b": "2", "a": "1"}, {"a": "3", "b": "4"}],
        [Row(2, "x", 1), Row(4, "y", 3)],
        list(pandas.DataFrame({"b": [2, 4], "a": [1, 3]}).itertuples()),
        np.array([(2, 1), (4, 3)], dtype=[("b", "f4"), ("a", "f8")]),
        Arrow(),
    ],
    ids=lambda data: type(data).__name__,
)
def test_rows_by_name_and_by_position_are_the_same(data: Any) -> None:
    rows, single = prepare(data, CARD)
    assert (rows.tolist(), single) == ([[1, 2], [3, 4]], False)


@pytest.mark.parametrize(
    "data",
    [
        [1, 2],
        np.array([1, 2]),
        {"b": 2, "a": 1},
        {0: 1, 1: 2},
        Row(2, "x", 1),
        pandas.Series({"b": 2, "a": 1}),
        pandas.Series([1, 2]),
        pandas.DataFrame({"b": [2], "a": [1]}).iloc[0],
        np.array((2, 1), dtype=[("b", "f4"), ("a", "f8")]),
    ],
    ids=lambda data: type(data).__name__,
)
def test_one_row_by_name_and_by_position_is_the_same(data: Any) -> None:
    rows, single = prepare(data, CARD)
    assert (rows.tolist(), single) == ([[1, 2]], True)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("b,a\n2,1\n4,3\n", "t.csv"),
        ("b,note,a\n2,x,1\n4,y,3\n", "t.csv"),
        ("\ufeffb,a\n2,1\n4,3\n", "t.csv"),
        ("\ufeff\ufeffb , a\n2,1\n4,3\n", "t.csv"),
        ('"b","a"\n"2","1"\n4,3\n', "t.csv"),
        ("b\ta\n2\t1\n4\t3\n", "t.tsv"),
        ("b\ta\n2\t1\n4\t3\n", "t.csv"),
        ("b,c,c,a\n2,9,9,1\n4,9,9,3\n", "t.csv"),
    ],
)
def test_a_file_goes_by_its_header(text: str, name: str, tmp_path: Path) -> None:
    assert prepare(file(tmp_path, text, name), CARD)[0].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "1,650\n-1,480\n",
            r"has no header: its columns are named 1, 650\. Name the columns in a first line, such as a,b\.",
        ),
        ("1.5,650\n-1,480\n", "has no header"),
        ("1,650,up\n-1,480,down\n", "has no header"),
        ("nan,1e5\n-1,480\n", "has no header"),
        ("A,b\n1,2\n", r"lacks the columns a; .* Did you mean 'A'\?"),
        ("b,c\n1,2\n", "lacks the columns a; the model takes a, b, and the file has b, c"),
        ("a,b,a\n1,2,3\n", "has the column 'a' twice"),
        ("a,b, a\n1,2,3\n", "has the column 'a' twice"),
        ("a,b\n", "has a header only"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        prepare(file(tmp_path, text), CARD)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pandas.DataFrame({"A": [1], "b": [2]}), r"The data frame lacks the columns a; .* Did you mean 'A'"),
        (pandas.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]), "The data frame has the column 'a' twice"),
        (pandas.DataFrame([[1, 2]], columns=["1", "650"]), "The data frame has no header"),
        (pandas.DataFrame([[1, 2]], columns=[1, 0]), "The data frame has no header"),
        (pandas.DataFrame([[1, 2]], columns=["a", 1]), "The data frame has no header"),
        (pandas.DataFrame([[1, 2, 3]]), r"The table has the shape \(1, 3\)"),
        ({"a": [1, 2], "b": [3]}, "different numbers of values: a 2, b 1"),
        ({"a": [1, 2], "b": 3}, "different numbers of values: a 2, b one"),
        ({"a": 1, "B": 2}, r"The row lacks the columns b; .* Did you mean 'B'"),
        ({"a": 1, "b": None}, "a number is expected"),
        ([{"a": 1, "b": 2}, {"a": 1}], "Row 2 lacks the columns b"),
        (pandas.Series({"a": 1, "c": 2}), "The row lacks the columns b"),
        (np.zeros(2, dtype=[("a", "f4"), ("c", "f4")]), "The array lacks the columns b"),
    ],
)
def test_names_that_do_not_fit_are_refused(data: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        prepare(data, CARD)


def test_columns_that_are_called_by_numbers_go_by_them_too(tmp_path: Path) -> None:
    card = TableInput("input", ("1", "0"))
    numbered: list[Mapping[Any, Any] | Any] = [
        pandas.DataFrame({"0": [2], "1": [1]}),
        pandas.DataFrame([[1, 2]], columns=[1, 0]),
        file(tmp_path, "0,1\n2,1\n"),
        [{"0": 2, "1": 1}],
        [{0: 2, 1: 1}],
    ]
    for data in numbered:
        assert prepare(data, card)[0].tolist() == [[1, 2]]


def test_texts_go_by_the_name_of_their_column(tmp_path: Path) -> None:
    card = TextInput("input", ("<pad>", "<unknown>", "x", "y"), 1, "character", 0, 1, column="text")
    frame = pandas.DataFrame({"mood": ["y", "x"], "text": ["x", "y"]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    for data in (
        frame,
        tmp_path / "t.csv",
        {"mood": ["y", "x"], "text": ["x", "y"]},
        frame.to_dict("records"),
        ["x", "y"],
    ):
        assert prepare(data, card)[0].tolist() == [[2], [3]]
    assert prepare({"text": "y"}, card)[0].tolist() == [[3]]
    with pytest.raises(InputError, match="The data frame lacks the columns text"):
        prepare(frame.rename(columns={"text": "texts"}), card)
