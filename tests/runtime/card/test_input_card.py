"""What the kinds of input have in common: properties that follow from a card alone, and the registry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest

from runtime.card import (
    ArrayInput,
    ImageInput,
    InputCard,
    ModelCard,
    SequenceInput,
    TableInput,
    TextInput,
    image_inputs,
    register_input,
)
from runtime.card.input_card import _KINDS

IMAGE = ImageInput("i", "RGB", (8, 9))
TABLE = TableInput("t", ("a", "b"))
TEXT = TextInput("w", ("<pad>", "a", "b"), 3, padding=0, column="line")
SEQUENCE = SequenceInput("s", 2, 4)
ARRAY = ArrayInput("x", (3, None), "int64")
ALL: tuple[InputCard, ...] = (IMAGE, TABLE, TEXT, SEQUENCE, ARRAY)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kind", ("image", "table", "text", "sequence", "array")),
        ("shape", ((3, 8, 9), (2,), (3,), (4, 2), (3, None))),
        ("dtype", ("float32", "float32", "int64", "float32", "int64")),
        ("padding", (None, None, 0, None, None)),
        ("tokens", ((), (), ("<pad>", "a", "b"), (), ())),
        ("table_columns", ((), ("a", "b"), ("line",), (), ())),
        ("axis_names", ({2: "height", 3: "width"}, None, {1: "length"}, {1: "length"}, None)),
        ("prepared_in_graph", (False,) * 5),
        ("has_preparation", (True, True, True, True, False)),
    ],
)
def test_every_card_tells(name: str, expected: tuple[Any, ...]) -> None:
    assert tuple(getattr(card, name) for card in ALL) == expected


def test_the_axes_of_pictures_follow_the_layout() -> None:
    assert replace(IMAGE, layout="NHWC").axis_names == {1: "height", 2: "width"}


def test_a_file_that_prepares_takes_pictures_of_any_size() -> None:
    raw = replace(IMAGE, prepared_in_graph=True)
    assert (raw.fed_shape(), raw.fed_shape((5, 6)), raw.shape) == ((8, 9, 3), (5, 6, 3), (3, 8, 9))
    assert raw.prepared_outside() == IMAGE
    for card in ALL:
        assert card.fed_shape((5, 6)) == card.shape
        assert card.prepared_outside() == card


def test_only_arrays_note_the_lengths_of_their_axes() -> None:
    assert ArrayInput("x", (3, 4, 5)).with_free_axes({0, 2}).shape == (3, None, 5)
    assert [card.with_free_axes({0, 1}) for card in ALL[:4]] == list(ALL[:4])


def test_pictures_are_found_among_inputs() -> None:
    other = replace(IMAGE, name="j")
    assert image_inputs((TABLE, IMAGE, None, other)) == {1: IMAGE, 3: other}
    assert image_inputs(ALL[1:]) == {}


def test_a_kind_is_registered_once() -> None:
    with pytest.raises(ValueError, match="kind 'table' already: TableInput"):
        register_input(TableInput)


def test_a_new_kind_is_written_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class SoundInput(InputCard):
        rate: int
        kind: Literal["sound"] = "sound"

        @property
        def shape(self) -> tuple[int]:
            return (self.rate,)

        def describe(self) -> str:
            return f"sound at {self.rate} Hz"

    monkeypatch.setitem(_KINDS, "sound", SoundInput)
    card = ModelCard("raw", (SoundInput("x", 16000),))
    assert card.to_dict()["inputs"] == [{"name": "x", "rate": 16000, "kind": "sound"}]
    assert ModelCard.from_json(card.to_json()) == card
