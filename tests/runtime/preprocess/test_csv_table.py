"""CSV files: NumPy's parser and the row-by-row reader give the same numbers, texts and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import InputError
from runtime.preprocess import CsvTable


def outcome(path: Path, numbers: list[str], texts: list[str], quick: bool) -> Any:
    """Numbers bit for bit and texts, or the error's words."""
    try:
        table = CsvTable(path)
        if not quick:
            table._plain_lines = lambda: None  # type: ignore[method-assign]
        values, cells = table.columns(numbers, texts)
    except InputError as error:
        return str(error)
    assert values.dtype == np.float64 and values.flags.c_contiguous
    return values.shape, values.tobytes(), cells


ODD = [
    "1_000",
    " 1 ",
    "nan",
    "inf",
    "1e400",
    "-0.0",
    "",
    '"2"',
    '"a,b"',
    '"a ""b"""',
    "x",
    "١",
    "\u00a01",
    "1\x00",
    "#",
    "0x10",
    "1\r",
    "1,2",
    "1e-400",
    '"1\n2"',
    '"',
    ' "3"',
    "True",
    "4.9e-324",
    "\ufeff1",
]


@given(
    header=st.sampled_from(["a,b,c", '"a",b,"c"', "\ufeffa,b,c", "a, b ,c", "\na,b,c", "c,a,b", "a,b,c,"]),
    rows=st.lists(
        st.lists(
            st.one_of(
                st.floats(allow_nan=False, allow_infinity=False).map(repr), st.integers().map(str), st.sampled_from(ODD)
            ),
            min_size=3,
            max_size=3,
        ),
        max_size=4,
    ),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    blank=st.sampled_from(["", "\n", "\n\n", " \n", ",,\n", "# no\n", "\x1c\n"]),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_table_is_read_alike_by_both_parsers(
    tmp_path_factory: pytest.TempPathFactory, header: str, rows: list[list[str]], end: str, blank: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    text = "\n".join([header, *map(",".join, rows[:2])]) + "\n" + blank + "\n".join(map(",".join, rows[2:]))
    path.write_bytes(text.replace("\n", end).encode())
    for numbers, texts in ((["a", "b"], ["c"]), (["b", "a", "c"], []), (["b"], []), (["a"], ["c", "b"]), ([], ["a"])):
        assert outcome(path, numbers, texts, True) == outcome(path, numbers, texts, False)


def test_a_plain_table_does_not_go_through_rows_of_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotes around names and texts, as spreadsheets and R write them, are plain too."""
    path = tmp_path / "plain.csv"
    path.write_text('"a","b","kind"\n1,2.5,"red"\n3,4e2,"blue"\n', encoding="utf-8-sig")
    monkeypatch.setattr(CsvTable, "rows", property(lambda self: pytest.fail("rows of text were made")))
    values, cells = CsvTable(path).columns(["b", "a"], ["kind"])
    assert values.tolist() == [[2.5, 1], [400, 3]]
    assert cells == [("red",), ("blue",)]


def test_a_table_with_the_suffix_of_a_packed_file_is_read_as_it_lies_there(tmp_path: Path) -> None:
    (tmp_path / "t.xz").write_text("a,b\n1,2\n")
    assert CsvTable(tmp_path / "t.xz").columns(["a", "b"])[0].tolist() == [[1, 2]]


def test_a_column_of_texts_is_told_from_one_wrong_cell(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("city,b\nRome,2\nParis,3\n")
    with pytest.raises(
        InputError, match=r"row 1, column 'city': the cell is 'Rome'; .* holds texts \('Rome', 'Paris'\)"
    ):
        CsvTable(tmp_path / "t.csv").columns(["city", "b"])
