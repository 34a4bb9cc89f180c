"""Tables, sizes and times as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.console import bytes_text, seconds_text, table

CELLS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8)


def test_columns_are_aligned_left_or_right_and_a_footer_is_set_apart() -> None:
    text = table(("name", "size"), [("a", 1), ("long name", 200)], footer=("sum", 201), right=(1,))
    assert text.splitlines() == [
        "name       size",
        "─────────  ────",
        "a             1",
        "long name   200",
        "─────────  ────",
        "sum         201",
    ]


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=5))
def test_every_cell_starts_where_its_column_starts(rows: list[tuple[str, str, str]]) -> None:
    lines = table(("first", "second", "third"), rows).split("\n")
    starts = [0, lines[0].index("second"), lines[0].index("third")]
    assert len(lines) == 2 + len(rows)
    for line, row in zip(lines[2:], rows, strict=True):
        for start, cell in zip(starts, row, strict=True):
            assert line[start : start + len(cell)] == cell


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1234567, "1.2 MB"), (5e9, "5.0 GB"), (7.5e15, "7500.0 TB")]
)
def test_sizes_are_in_powers_of_1000(count: float, text: str) -> None:
    assert bytes_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(83e-6, "83 µs"), (0.0042, "4.2 ms"), (12.34, "12.3 s"), (185, "3 min 5 s"), (3600, "60 min 0 s")],
)
def test_durations_are_in_the_unit_that_reads_best(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_numbers_just_below_a_unit_take_the_next_one() -> None:
    assert bytes_text(999_960) == "1.0 MB"
    assert seconds_text(0.99999) == "1.0 s"
    assert seconds_text(0.0009999) == "1.0 ms"
