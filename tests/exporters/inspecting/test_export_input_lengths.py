"""Lengths from which shapes are inferred: one row, wherever it lies, and one length a name."""

from __future__ import annotations

from typing import Any

import pytest

from exporters.inspecting.shapes import input_lengths
from runtime.session import Tensor


@pytest.mark.parametrize(
    ("shapes", "lengths"),
    [
        ([("batch", 128), (2, "batch", 128)], [(1, 128), (2, 1, 128)]),
        ([("length", "batch", 4)], [(32, 1, 4)]),
        ([("nodes", 6), (2, "edges")], [(16, 6), (2, 16)]),
        ([("batch", "n"), ("batch", "2*n")], [(1, 16), (1, 32)]),
        ([("?", "?")], [(1, 16)]),
    ],
)
def test_one_name_has_one_length(shapes: list[tuple[Any, ...]], lengths: list[tuple[int, ...]]) -> None:
    inputs = tuple(Tensor(f"x{place}", "float32", shape) for place, shape in enumerate(shapes))
    assert list(input_lengths(inputs, None).values()) == lengths
