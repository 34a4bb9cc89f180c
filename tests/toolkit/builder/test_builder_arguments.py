"""A layer's signature validates what `add()` is given, and names the layer, the argument, the value and what is expected."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import torch

from runtime.errors import SpecError
from toolkit.builder.arguments import Axis, Count, Interval, Positive, Probability, check_arguments


def example(
    *,
    size: int | tuple[int, int],
    width: int,
    slope: float = 0.1,
    padding: int | tuple[int, int] | str = 0,
    bias: bool = True,
    kind: Literal["mean", "max"] = "mean",
    hidden: tuple[int, ...] = (),
    limit: int | None = None,
    in_shape: tuple[int, int, int] = (1, 2, 3),
    chance: Probability = 0.5,
    factor: Positive | tuple[Positive, ...] | None = None,
    dim: Axis | None = None,
    dims: tuple[Axis, ...] = (),
    around: Count | tuple[Count, Count] | Literal["same", 3] = 0,
    cells: int | tuple[int | None, int | None] = 1,
    nested: tuple[tuple[int, int], ...] = (),
    offset: int = -1,
    few: Annotated[int, Interval(high=4)] = 4,
) -> torch.nn.Module:
    raise AssertionError("never called")


def check(**arguments: Any) -> dict[str, Any]:
    return check_arguments(example, arguments, "layer 3 'example'")


def test_what_fits_is_returned_as_given() -> None:
    given = {"size": (4, 3), "width": 2, "slope": 0.5, "bias": False, "kind": "max", "limit": None}
    assert check(**given) == given


def test_lists_as_json_gives_them_become_tuples() -> None:
    found = check(size=[4, 3], width=1, hidden=[8, 4, 2], in_shape=[3, 8, 8])
    assert found == {"size": (4, 3), "width": 1, "hidden": (8, 4, 2), "in_shape": (3, 8, 8)}


def test_a_whole_number_is_a_number_and_zero_is_allowed_where_it_means_something() -> None:
    assert check(size=1, width=1, slope=0, padding=0) == {"size": 1, "width": 1, "slope": 0, "padding": 0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 2.0}, "width=2.0 was given; a whole number is expected."),
        ({"width": "2"}, "width='2' was given; a whole number is expected."),
        ({"width": True}, "width=True was given; a whole number is expected."),
        ({"width": None}, "width=None was given; a whole number is expected."),
        ({"width": 0}, "width=0 was given; whole numbers of at least 1 are expected."),
        ({"size": (3, -1)}, "size=(3, -1) was given; whole numbers of at least 1 are expected."),
        ({"size": (1, 2, 3)}, "size=(1, 2, 3) was given; a whole number or (int, int) is expected."),
        ({"padding": -1}, "padding=-1 was given; whole numbers of at least 0 are expected."),
        ({"padding": 1.5}, "padding=1.5 was given; a whole number or (int, int) or a text is expected."),
        ({"slope": "steep"}, "slope='steep' was given; a number is expected."),
        ({"slope": True}, "slope=True was given; a number is expected."),
        ({"bias": 1}, "bias=1 was given; True or False is expected."),
        ({"kind": "median"}, "kind='median' was given; 'mean' or 'max' is expected."),
        ({"hidden": 8}, "hidden=8 was given; a list of whole numbers is expected."),
        ({"hidden": (8, 0)}, "hidden=(8, 0) was given; whole numbers of at least 1 are expected."),
        ({"limit": "none"}, "limit='none' was given; a whole number or None is expected."),
        ({"in_shape": (1, 2)}, "in_shape=(1, 2) was given; (int, int, int) is expected."),
        ({"slope": float("nan")}, "slope=nan was given; a number is expected."),
        ({"slope": float("inf")}, "slope=inf was given; a number is expected."),
        ({"chance": 1.5}, "chance=1.5 was given; a number from 0 to 1 is expected."),
        ({"chance": -1}, "chance=-1 was given; a number from 0 to 1 is expected."),
        ({"factor": 0}, "factor=0 was given; a number above 0 is expected."),
        ({"factor": (1, -2.5)}, "factor=(1, -2.5) was given; a number above 0 is expected."),
        ({"dim": 1.0}, "dim=1.0 was given; a whole number or None is expected."),
        ({"dims": (1, "a")}, "dims=(1, 'a') was given; a list of whole numbers is expected."),
        ({"around": -1}, "around=-1 was given; whole numbers of at least 0 are expected."),
        ({"around": (0, -1)}, "around=(0, -1) was given; whole numbers of at least 0 are expected."),
        (
            {"around": "sam"},
            "around='sam' was given; a whole number of at least 0 or (int, int) or 'same' or 3 is expected.",
        ),
        (
            {"cells": (1, None, 2)},
            "cells=(1, None, 2) was given; a whole number or (int or None, int or None) is expected.",
        ),
        ({"cells": (0, None)}, "cells=(0, None) was given; whole numbers of at least 1 are expected."),
        ({"nested": ((1, 2), (3,))}, "nested=((1, 2), (3,)) was given; a list of (int, int) is expected."),
        ({"nested": ((1, 0),)}, "nested=((1, 0),) was given; whole numbers of at least 1 are expected."),
        ({"offset": -2}, "offset=-2 was given; whole numbers of at least -1 are expected."),
        ({"few": 5}, "few=5 was given; whole numbers of at most 4 are expected."),
    ],
)
def test_a_wrong_value_is_named_with_what_is_expected(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(f"layer 3 'example': {message}")):
        check(**{"size": 1, "width": 1, **arguments})


def test_a_misspelt_argument_suggests_the_right_one() -> None:
    with pytest.raises(
        SpecError, match=re.escape("layer 3 'example': there is no argument 'sise'. Did you mean 'size'?")
    ):
        check(sise=3, width=1)


def test_a_missing_argument_says_what_is_expected() -> None:
    with pytest.raises(SpecError, match=r"the argument size is missing; a whole number or \(int, int\) is expected"):
        check(width=1)


def test_an_inferred_argument_may_be_missing() -> None:
    assert check_arguments(example, {"width": 1}, "layer 1", frozenset({"size"})) == {"width": 1}


@pytest.mark.parametrize("arguments", [None, 5, [1, 2], "size"])
def test_arguments_that_are_no_mapping_are_refused(arguments: Any) -> None:
    with pytest.raises(SpecError, match="a mapping from names to values is expected"):
        check_arguments(example, arguments, "layer 1")


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(SpecError, match="there is no argument 7"):
        check_arguments(example, {7: 1}, "layer 1")  # type: ignore[dict-item]


def test_every_kind_of_value_fits_its_annotation() -> None:
    given = {
        "size": 1,
        "width": 1,
        "chance": 1,
        "factor": (0.5, 2),
        "dim": -2,
        "dims": (0, -1, 2),
        "around": "same",
        "cells": (None, 3),
        "nested": ((1, 2), (3, 4)),
        "offset": -1,
        "few": -7,
    }
    assert check(**given) == given
    assert check(size=1, width=1, nested=[[1, 2]])["nested"] == ((1, 2),)


def test_other_libraries_numbers_become_plain() -> None:
    found = check(size=[np.int64(4), np.int32(3)], width=np.uint8(2), slope=np.float32(0.5))
    assert found == {"size": (4, 3), "width": 2, "slope": 0.5}
    assert {type(number) for number in (*found["size"], found["width"])} == {int}
    assert type(found["slope"]) is float


def test_without_parameters_there_is_nothing_to_suggest() -> None:
    def nothing() -> None: ...

    with pytest.raises(SpecError, match="layer 1: there is no argument 'p'"):
        check_arguments(nothing, {"p": 1}, "layer 1")
