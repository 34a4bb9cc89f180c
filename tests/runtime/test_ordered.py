"""Arguments that are a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from runtime.errors import InputError, SpecError
from runtime.ordered import ordered


@pytest.mark.parametrize(
    "value",
    [[1, 2], (1, 2), np.array([1, 2]), range(1, 3), {1: "a", 2: "b"}.keys(), {"a": 1, "b": 2}.values(), iter([1, 2])],
)
def test_what_has_an_order_keeps_it(value: Any) -> None:
    assert ordered(value, "sizes", "a list") == [1, 2]


@pytest.mark.parametrize("value", ["ab", b"ab", {"a": 1}, 3, None, np.array(3)])
def test_what_only_looks_like_a_sequence_is_refused(value: Any) -> None:
    with pytest.raises(SpecError, match=r"sizes=.* was given; a list is expected, such as \[1\]\."):
        ordered(value, "sizes", "a list", example="[1]")


@pytest.mark.parametrize("value", [{1, 2}, frozenset((1, 2))])
def test_a_set_has_no_order(value: Any) -> None:
    with pytest.raises(InputError, match="A set has no order"):
        ordered(value, "sizes", "a list", InputError)
