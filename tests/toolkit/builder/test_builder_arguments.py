"""A layer's signature validates what `add()` is given, and names the layer, the argument, the value and what is expected."""

from __future__ import annotations

import re
from typing import Any, Literal

import pytest
import torch

from runtime.errors import SpecError
from toolkit.builder.arguments import check_arguments


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
        ({"hidden": 8}, "hidden=8 was given; any number of int is expected."),
        ({"hidden": (8, 0)}, "hidden=(8, 0) was given; whole numbers of at least 1 are expected."),
        ({"limit": "none"}, "limit='none' was given; a whole number or None is expected."),
        ({"in_shape": (1, 2)}, "in_shape=(1, 2) was given; (int, int, int) is expected."),
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
