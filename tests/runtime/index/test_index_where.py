"""Filters mean what Python would mean by them."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import runtime.index
from runtime.errors import VectorIndexError

RANGES = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def kind(value: object) -> type:
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def equal(left: object, right: object) -> bool:
    return kind(left) is kind(right) and left == right


def matches(metadata: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    for name, wanted in where.items():
        if name not in metadata:
            return False
        have = metadata[name]
        if isinstance(wanted, Mapping):
            if not all(kind(have) is kind(end) and RANGES[sign](have, end) for sign, end in wanted.items()):
                return False
        elif not any(equal(have, one) for one in (wanted if isinstance(wanted, list) else [wanted])):
            return False
    return True


names = st.sampled_from(["a", "b\"'$.;", "ü"])
numbers = st.integers(-3, 3) | st.sampled_from([0.5, -0.0, 2.0, 1e300, 2**62, -(2**63)])
texts = st.sampled_from(["", "0", "1", "a", "B", "ä", "a\0b", "' OR 1=1 --"])
values = numbers | texts | st.booleans() | st.none()
signs = st.sampled_from(list(RANGES))
ranges = st.dictionaries(signs, numbers, min_size=1) | st.dictionaries(signs, texts, min_size=1)
wheres = st.dictionaries(names, values | st.lists(values, max_size=4) | ranges, max_size=2)


@settings(max_examples=80, deadline=None)
@given(
    kept=st.lists(st.dictionaries(names, values | st.lists(values)), max_size=12), asked=st.lists(wheres, max_size=5)
)
def test_filters_are_what_python_means(
    kept: list[dict[str, Any]], asked: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("where") / "index"
    with runtime.index.open(folder, dim=1, metric="dot") as index:
        index.add([str(row) for row in range(len(kept))], np.arange(len(kept), dtype=float)[::-1, None], kept)
        for where in asked:
            wanted = [
                str(row)
                for row, metadata in enumerate(kept)
                if matches({name: value for name, value in metadata.items() if not isinstance(value, list)}, where)
            ]
            assert index.search([1.0], k=20, where=where).ids == wanted


def test_long_membership(tmp_path: Path) -> None:
    with runtime.index.open(tmp_path / "index", dim=1, metric="dot") as index:
        index.add(["a", "b"], [[1], [2]], [{"n": 70_000}, {"n": "70000"}])
        assert index.search([1], where={"n": list(range(100_000))}).ids == ["a"]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"year": {"=>": 3}}, ["'=>'", "Did you mean '>='"]),
        ({"year": {"$in": [3]}}, ["'$in'", "list of values"]),
        ({"year": {"or": 1, ">": 0}}, ["'or'"]),
        ({"year": {}}, ["asks nothing"]),
        ({"year": {">": 1, "<": "x"}}, ["one kind"]),
        ({"year": {">": True}}, ["numbers, or text"]),
        ({"year": {">": None}}, ["numbers, or text"]),
        ({"year": {">": [1]}}, ["cannot be compared"]),
        ({"year": float("nan")}, ["cannot be compared"]),
        ({"year": 2**64}, ["64 bits"]),
        ({"year": [[1]]}, ["cannot be compared"]),
        ({"year": object()}, ["cannot be compared"]),
        ({"year": "\ud800"}, ["cannot be compared"]),
        ({3: 1}, ["field name 3"]),
        ("year = 3", ["of type str"]),
        ([("year", 3)], ["of type list"]),
    ],
)
def test_refused_filters(where: object, words: list[str], tmp_path: Path) -> None:
    with runtime.index.open(tmp_path / "index", dim=1, metric="dot") as index:
        with pytest.raises(VectorIndexError) as error:
            index.search([1], where=where)  # type: ignore[arg-type]
        assert all(word in str(error.value) for word in words), error.value
