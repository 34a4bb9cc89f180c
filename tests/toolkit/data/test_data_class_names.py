"""Class names in any of the familiar forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from runtime.errors import InputError
from toolkit.data.class_names import class_names


@pytest.mark.parametrize(
    "classes",
    [
        ["cat", "dog"],
        ("cat", "dog"),
        np.array(["cat", "dog"]),
        {"cat": 0, "dog": 1},
        {"dog": 1, "cat": 0},
        {0: "cat", 1: "dog"},
        {"0": "cat", "1": "dog"},
        {"cat": np.int64(0), "dog": np.int64(1)},
    ],
)
def test_lists_and_dictionaries_either_way_round(classes: Any) -> None:
    assert class_names(classes) == ("cat", "dog")


def test_none_leaves_the_names_to_the_data() -> None:
    assert class_names(None) is None


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({"cat": 1, "dog": 2}, "indices 0 to 1, one for each name"),
        ({"cat": 0, "dog": 0}, "indices 0 to 1"),
        ("cat", "classes='cat' was given; a list of names"),
        (3, "classes=3 was given"),
        ([], "has no name"),
        ({}, "has no name"),
        (["cat", "cat"], "names 'cat' twice"),
    ],
)
def test_anything_else_is_refused(classes: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        class_names(classes)
    assert words in str(caught.value)
