"""JSON text: always valid, with a reason for each number that does not exist."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.console import UNSAFE
from runtime.json_text import NOT_FINITE, json_text


def strictly(text: str) -> Any:
    """Parse JSON as RFC 8259 has it, without the NaN that Python's reader takes."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_number_that_is_none_becomes_null_and_its_place_tells_why() -> None:
    facts = {"loss": math.nan, "epochs": [{"acc": 0.5}, {"acc": math.inf}], "best": (1.0, -math.inf), "name": "a"}
    assert strictly(json_text(facts)) == {
        "loss": None,
        "epochs": [{"acc": 0.5}, {"acc": None}],
        "best": [1.0, None],
        "name": "a",
        NOT_FINITE: {"loss": "NaN", "epochs[1].acc": "Infinity", "best[1]": "-Infinity"},
    }
    assert strictly(json_text([math.nan])) == [None]
    assert NOT_FINITE not in strictly(json_text({"loss": 1.0}))


@pytest.mark.parametrize("indent", [None, 2])
def test_what_a_terminal_takes_for_a_command_is_an_escape(indent: int | None) -> None:
    hostile = {"\x1b[2J\x9b": "a\x07\n\u2028\u202e\x7fé\U000e0041"}
    text = json_text(hostile, indent=indent)
    assert strictly(text) == hostile
    assert set(UNSAFE.findall(text)) <= {"\n"} and "é" in text


@settings(max_examples=100)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
    st.booleans(),
)
def test_any_containers_give_valid_json(value: Any, ascii_only: bool) -> None:
    text = json_text({"value": value}, ascii_only=ascii_only)
    strictly(text)
    assert not UNSAFE.search(text)
    if ascii_only:
        assert text.isascii()
