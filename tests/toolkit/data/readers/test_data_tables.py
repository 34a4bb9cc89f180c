"""CSV tables: scaling, labels, values, and errors that name row and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.card import TableInput
from runtime.errors import InputError
from runtime.preprocess import prepare_table
from runtime.preprocess.inputs import prepare
from toolkit.data.dataset import Dataset
from toolkit.data.readers.tables import load_csv


def write(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def inputs(data: Dataset) -> np.ndarray:
    return data.inputs.take(torch.arange(len(data))).numpy()


def test_columns_are_scaled_and_the_card_keeps_mean_and_deviation(flowers: Path) -> None:
    data = load_csv(flowers)
    values = np.genfromtxt(flowers, delimiter=",", skip_header=1, usecols=range(4))
    assert isinstance(data.card, TableInput)
    np.testing.assert_allclose(inputs(data).mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(inputs(data).std(0), 1, rtol=1e-5)
    np.testing.assert_array_equal(prepare_table(values, data.card), inputs(data))
    assert data.labels == ("setosa", "versicolor", "virginica")
    assert np.bincount(data.targets).tolist() == [20, 20, 20]
    assert data.describe() == "60 examples of shape 4, 3 classes"


def test_scaling_can_be_left_out(flowers: Path) -> None:
    data = load_csv(flowers, scale=False)
    values = np.genfromtxt(flowers, delimiter=",", skip_header=1, usecols=range(4))
    assert data.card == TableInput("input", data.card.columns)  # type: ignore[union-attr]
    np.testing.assert_array_equal(inputs(data), values.astype(np.float32))


@pytest.mark.parametrize("value", ["0.1", "3", "-1e-300", "1e30"])
def test_a_constant_column_stays_at_zero(tmp_path: Path, value: str) -> None:
    """0.1 has a rounding error for a deviation, which must not blow up what is met in the field."""
    data = load_csv(write(tmp_path, "a,b,c\n" + "".join(f"{value},{n},{n % 2}\n" for n in range(100))))
    assert data.card.std[0] == 1  # type: ignore[union-attr]
    assert np.abs(inputs(data)[:, 0]).max() <= abs(float(value)) * 1e-12


def test_quotes_bom_and_blank_lines_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, '\ufeff"length, cm",name\r\n1.5,"a ""b"", c"\r\n\r\n2.5,d\r\n')
    data = load_csv(path, scale=False)
    assert data.card.columns == ("length, cm",)  # type: ignore[union-attr]
    assert data.labels == ('a "b", c', "d")


@pytest.mark.parametrize(
    ("cells", "indices", "names"),
    [
        (["0.0", "2.0", "1.0"], [0, 2, 1], ("0", "1", "2")),
        (["10", "9", "9"], [1, 0, 0], ("9", "10")),
        (["yes", "no", "1"], [2, 1, 0], ("1", "no", "yes")),
    ],
)
def test_labels_are_whole_numbers_or_names(
    tmp_path: Path, cells: list[str], indices: list[int], names: tuple[str, ...]
) -> None:
    data = load_csv(write(tmp_path, "x,y\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells))))
    assert data.targets.tolist() == indices
    assert data.labels == names


def test_the_last_column_of_a_regression_is_its_value(tmp_path: Path) -> None:
    data = load_csv(write(tmp_path, "area,price\n1,2.5\n2,5\n"), task="regression")
    assert data.targets.tolist() == [[2.5], [5.0]]
    assert data.labels == ("price",)
    assert data.describe() == "2 examples of shape 1, targets price"


def test_the_label_column_is_named_and_values_may_have_several(tmp_path: Path) -> None:
    path = write(tmp_path, "kind,a,b\nx,1,2\ny,3,5\n")
    data = load_csv(path, label="kind", scale=False)
    assert data.labels == ("x", "y")
    assert data.card.columns == ("a", "b")  # type: ignore[union-attr]
    path = write(tmp_path, "u,a,v\n1,7,2\n0,8,1\n")
    values = load_csv(path, label=["v", "u"], task="regression")
    assert (values.labels, values.targets.tolist()) == (("v", "u"), [[2, 1], [1, 0]])
    assert values.card.columns == ("a",)  # type: ignore[union-attr]


def test_several_columns_of_0_and_1_are_several_labels(tmp_path: Path) -> None:
    data = load_csv(write(tmp_path, "a,wet,cold\n1,1,1\n2,0,1\n3,0,0\n"), label=["wet", "cold"], task="multilabel")
    assert (data.labels, data.targets.tolist()) == (("wet", "cold"), [[1, 1], [0, 1], [0, 0]])
    assert data.describe() == "3 examples of shape 1, 2 labels"


def test_tabs_separate_the_cells_of_a_tsv_file(tmp_path: Path) -> None:
    path = tmp_path / "table.tsv"
    path.write_text('a\tkind\n1.5\t"x, y"\n2\tz\n')
    assert load_csv(path, scale=False).labels == ("x, y", "z")


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        ("a,a,b\n1,2,x\n", {}, "has two columns named 'a'"),
        ("a,kind\n1,x\n", {"label": "knd"}, "has no column 'knd' for the label. Did you mean 'kind'?"),
        ("a,b,c\n1,2,x\n", {"label": ["b", "c"]}, "2 label columns were named for a classification (b, c)"),
        ("a,b\n1,2\n", {"label": ["a", "b"], "task": "regression"}, "no columns but the labels a, b"),
        ("a,b\n1,2\n", {"label": []}, "label=[] was given"),
        ("a,b\n1,2\n", {"task": "multilabel"}, "rows (N, K) of 0 and 1"),
        ("a,b\n1,wet;cold\n", {"task": "multilabel"}, "row 1, column 'b': the cell is 'wet;cold'; 0 or 1 is expected."),
        ("a,b\n1,2\n", {"task": "dense"}, "A table has no targets for the task 'dense'"),
        ("city,b\nRome,2\n", {}, "row 1, column 'city': the cell is 'Rome'; a number is expected."),
        ("a,b,kind\n1,2,x\n3,four,y\n", {}, "row 2, column 'b': the cell is 'four'; a number is expected."),
        ("a,b,kind\n1,nan,x\n", {}, "row 1, column 'b': the cell is 'nan'; a number is expected."),
        ("a,b,kind\n1,,x\n", {}, "row 1, column 'b': the cell is empty; a number is expected."),
        ("a,b,kind\n1,inf,x\n", {}, "row 1, column 'b': the cell is 'inf'; a number is expected."),
        ("a,b\n1,2\n3,x\n", {"task": "regression"}, "row 2, column 'b': the cell is 'x'; a number is expected."),
        ("a,b\n1,\n", {}, "row 1, column 'b': the label is empty."),
        ("a,b\n1,2,3\n", {}, "line 2: 3 cells; the header has 2 columns."),
        ("a;b\n1;2\n", {}, "is not separated by commas"),
        ("a,b\n", {}, "has 2 columns and 0 rows"),
        ("a\n1\n", {}, "has 1 columns and 1 rows"),
        ("", {}, "is empty"),
        ("0.5,1\n0.5,2\n", {}, "has no header"),
        ('a,b\n"1,2\n', {}, "cannot be read as a CSV table"),
        ("a,b\n1,x\n2,y\n", {"labels": ["p", "q", "r"]}, "3 class names were given (p, q, r); the data has 2 classes."),
        ("a,b\n1,2\n", {"task": "regression", "labels": ["p", "q"]}, "2 names were given"),
    ],
)
def test_a_broken_table_is_named_by_row_and_column(
    tmp_path: Path, text: str, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        load_csv(write(tmp_path, text), **arguments)
    assert words in str(caught.value)


def test_a_missing_file_or_another_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_csv(tmp_path / "no.csv")
    (tmp_path / "latin.csv").write_bytes("größe,b\n1,x\n".encode("latin-1"))
    with pytest.raises(InputError, match="Save it as CSV in UTF-8"):
        load_csv(tmp_path / "latin.csv")


numbers = st.floats(-1e6, 1e6).map(lambda value: f"{value!r}")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rows=st.lists(st.tuples(numbers, numbers, st.sampled_from("xyz")), min_size=1, max_size=8))
def test_any_table_of_numbers_is_read_and_scaled(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("a,b,kind\n" + "".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
    data = load_csv(path)
    assert np.isfinite(inputs(data)).all()
    assert np.abs(inputs(data)).max() <= len(rows)  # no value lies further out than that many deviations
    assert [data.labels[index] for index in data.targets] == [row[2] for row in rows]


def test_a_first_line_that_counts_what_lies_below_names_the_classes(tmp_path: Path) -> None:
    """As the tables of iris that come with scikit-learn, TensorFlow and BaseNN."""
    data = load_csv(write(tmp_path, "3,4,setosa,versicolor,virginica\n5,3,1,0,0\n5,3,1,0,2\n6,2,4,1,2\n"))
    assert data.card.columns == ("x1", "x2", "x3", "x4")
    assert data.labels == ("setosa", "versicolor", "virginica") and data.targets.tolist() == [0, 2, 2]
    wide = load_csv(write(tmp_path, "2,5,good,bad\n1,2,3,4,5,1\n1,2,3,4,6,0\n"))
    assert (len(wide.card.columns), wide.labels, wide.targets.tolist()) == (5, ("good", "bad"), [1, 0])
    old = TableInput("input", ("3", "4", "setosa", "versicolor"))  # what version 0.3 called the columns
    path = write(tmp_path, "3,4,setosa,versicolor,virginica\n5,3,1,0,0\n5,3,1,0,2\n6,2,4,1,2\n")
    assert prepare(path, old)[0].tolist() == [[5, 3, 1, 0], [5, 3, 1, 0], [6, 2, 4, 1]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n6,2,virginica\n", "begins with 5.1, 3.5, setosa, which is a row of data"),
        ("1.1,3.5,setosa\n4.9,3.0,setosa\n6,2,virginica\n", "begins with 1.1, 3.5, setosa, which is a row of data"),
        ("0.2,0.2,setosa\n4.9,3.0,virginica\n", "which is a row of data"),
        ("5,a\n6,b\n7,a\n", "begins with 5, a, which is a row of data"),
        (",a,kind\n0,1.5,x\n1,2.5,y\n", "a column without a name ('')"),
        ("Unnamed: 0,a,kind\n0,1.5,x\n1,2.5,y\n", "index=False in pandas"),
        ("a,,kind\n5,1.5,x\n1,2.5,y\n", "a column without a name ('')"),
        ("a,kind\n0,1.5,x\n1,2.5,y\n", "line 2: 3 cells; the header has 2 columns. Give each column a name"),
        ("label,a,b\n0,5,3\n1,6,4\n", "Say which is the label: label='label', or label='b'."),
        ("species,a,b\nsetosa,5,3\nvirginica,6,4\n", "The last column, 'b', was taken for the label"),
        ("city,a,kind\nRome,5,x\nParis,6,y\n", "The column holds texts ('Rome', 'Paris')"),
    ],
)
def test_a_table_that_would_be_learnt_wrongly_is_explained(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        load_csv(write(tmp_path, text))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "label", "columns"),
    [
        ("400.5,401.5,kind\n1,2,x\n3,4,y\n", None, ("400.5", "401.5")),
        ("age,1990,1980,kind\n1,2,3,x\n3,4,5,y\n", None, ("age", "1990", "1980")),
        ("0,1,2\n1,2,0\n3,4,1\n", None, ("0", "1")),
        ("x,y,z\n1,2,0\n3,4,1\n", None, ("x", "y")),
        ("label,a,b\n0,5,3\n1,6,4\n", "b", ("label", "a")),
        ("label,a,b\n0,5,3\n1,6,4\n", "label", ("a", "b")),
    ],
)
def test_names_that_are_numbers_and_labels_that_are_named_are_taken(
    tmp_path: Path, text: str, label: str | None, columns: tuple[str, ...]
) -> None:
    data = load_csv(write(tmp_path, text), label=label)
    assert (data.card.columns, len(data)) == (columns, 2)  # type: ignore[union-attr]
