"""The card: round trips, and what is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.card import (
    ROLES,
    TASKS,
    ArrayInput,
    ImageInput,
    ModelCard,
    OutputCard,
    SequenceInput,
    TableInput,
    TextInput,
)
from runtime.card.image_input import COLORS, FILTERS, LAYOUTS, ORIENTATIONS
from runtime.card.text_input import LEVELS, NORMALIZATIONS
from runtime.errors import CardError, InputError
from runtime.preprocess import prepare_image
from runtime.preprocess.inputs import prepare
from runtime.session.describe import card_lines

names = st.text(max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
means = st.floats(-1e6, 1e6)
positive = st.floats(min_value=1e-6, max_value=1e6)
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))
facts = st.dictionaries(
    names,
    st.recursive(
        st.none() | st.booleans() | st.integers() | numbers | names,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)


@st.composite
def image_inputs(draw: st.DrawFn) -> ImageInput:
    color = draw(st.sampled_from(COLORS))
    channels = 3 if color == "RGB" else 1
    size = draw(sizes)
    return ImageInput(
        draw(names),
        color,
        size,
        resize=draw(st.just(size) | sizes | st.integers(1, 40) | st.none()),
        filter=draw(st.sampled_from(FILTERS)),
        crop=draw(st.none() | st.just(size)),
        scale=draw(positive),
        mean=draw(st.just(()) | st.tuples(*[means] * channels)),
        std=draw(st.just(()) | st.tuples(*[positive] * channels)),
        layout=draw(st.sampled_from(LAYOUTS)),
        orientation=draw(st.sampled_from(ORIENTATIONS)),
    )


@st.composite
def table_inputs(draw: st.DrawFn) -> TableInput:
    columns = tuple(draw(st.lists(names, max_size=4)))
    mean, std = (tuple(draw(st.tuples(*[kind] * len(columns)))) for kind in (numbers, positive))
    return TableInput(draw(names), columns, draw(st.sampled_from([(), mean])), draw(st.sampled_from([(), std])))


@st.composite
def text_inputs(draw: st.DrawFn) -> TextInput:
    vocabulary = tuple(draw(st.lists(names, min_size=2, max_size=6, unique=True)))
    padding, unknown = draw(st.permutations([0, 1, None]))[:2]
    return TextInput(
        draw(names),
        vocabulary,
        draw(st.integers(1, 9)),
        draw(st.sampled_from(LEVELS)),
        padding,
        unknown,
        draw(st.booleans()),
        draw(st.sampled_from(NORMALIZATIONS)),
        draw(st.booleans()),
        draw(names),
    )


@st.composite
def sequence_inputs(draw: st.DrawFn) -> SequenceInput:
    features = draw(st.integers(1, 4))
    mean, std = (tuple(draw(st.tuples(*[kind] * features))) for kind in (numbers, positive))
    scaling = draw(st.sampled_from([((), ()), (mean, ()), (mean, std)]))
    return SequenceInput(draw(names), features, draw(st.integers(1, 9)), *scaling)


array_inputs = st.builds(
    ArrayInput,
    names,
    st.lists(st.none() | st.integers(1, 9), max_size=4).map(tuple),
    st.sampled_from(["float32", "int64"]),
)
cards = st.builds(
    ModelCard,
    st.sampled_from(TASKS),
    st.lists(image_inputs() | table_inputs() | text_inputs() | sequence_inputs() | array_inputs, max_size=2).map(tuple),
    st.lists(st.builds(OutputCard, names, st.sampled_from(ROLES)), max_size=3).map(tuple),
    st.lists(names, max_size=4).map(tuple),
    facts,
    facts,
    facts,
)


@given(cards)
@settings(deadline=None)
def test_any_card_comes_back_equal_from_one_line_of_json(card: ModelCard) -> None:
    text = card.to_json()
    assert "\n" not in text
    assert ModelCard.from_json(text) == card
    assert ModelCard.from_json(text).to_json() == text


def test_cards_of_files_that_prepare_nothing_stay_readable_to_older_versions() -> None:
    entry = ImageInput("x", "RGB", (8, 8))
    assert "prepared_in_graph" not in ModelCard("raw", (entry,)).to_dict()["inputs"][0]
    raw = replace(entry, prepared_in_graph=True)
    assert ModelCard("raw", (raw,)).to_dict()["inputs"][0]["prepared_in_graph"] is True
    assert ModelCard.from_json(ModelCard("raw", (raw,)).to_json()).inputs == (raw,)


@given(image_inputs())
@settings(deadline=None, max_examples=50)
def test_the_card_tells_the_shape_that_preparation_gives(card: ImageInput) -> None:
    picture = np.zeros((*card.size, 3), np.uint8)
    try:
        prepared = prepare_image(picture, card)
    except InputError as error:  # where resizing leads elsewhere and no crop repairs it
        assert card.crop is None and card.resize not in (None, card.size)
        assert f"the model takes {card.size[0]} x {card.size[1]}" in str(error)
    else:
        assert prepared.shape == card.shape
        assert prepared.dtype == np.float32


OLD = (
    '{"version":1,"task":"classification","inputs":[{"name":"input","columns":["a","b"],"mean":[1.0,2.0],"std":[1.0,3.0],'
    '"kind":"table"}],"outputs":[{"name":"probabilities","role":"probabilities"}],"labels":["x","y"],"training":{},'
    '"parity":{},"producer":{}}'
)


def test_a_card_written_by_the_first_version_is_read() -> None:
    assert ModelCard.from_json(OLD).inputs == (TableInput("input", ("a", "b"), (1.0, 2.0), (1.0, 3.0)),)
    assert ModelCard.from_json(OLD).to_json() == OLD


def test_numbers_that_json_lacks_are_kept_as_text() -> None:
    card = ModelCard("raw", (), training={"loss": float("nan"), "list": (float("inf"), 1.0)})
    assert ModelCard.from_json(card.to_json()).training == {"loss": "nan", "list": ["inf", 1.0]}


def test_what_no_json_can_hold_is_refused_when_the_card_is_written() -> None:
    with pytest.raises(CardError, match="it was given a set"):
        ModelCard("raw", (), training={"seen": {1, 2}}).to_json()


def test_an_output_is_found_by_its_role() -> None:
    card = ModelCard("raw", (), (OutputCard("a", "logits"), OutputCard("b", "embedding"), OutputCard("c", "embedding")))
    assert (card.output("embedding"), card.output("logits"), card.output("values")) == ("b", "a", None)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ImageInput("x", "rgb", (8, 8)), "color is 'rgb'"),
        (lambda: ImageInput("x", "RGB", (8, 8), filter="bilinea"), "Did you mean 'bilinear'"),
        (lambda: ImageInput("x", "RGB", (8, 8), layout="HWC"), "layout is 'HWC'"),
        (lambda: ImageInput("x", "RGB", (8, 8), orientation="up"), "orientation is 'up'"),
        (lambda: ImageInput("x", "RGB", (0, 8)), "at least 1"),
        (lambda: ImageInput("x", "RGB", (8, 8), mean=(0.5,)), "mean has 1 values; 3 are expected"),
        (lambda: ImageInput("x", "grayscale", (8, 8), std=(0.0,)), "above 0"),
        (lambda: TableInput("x", ("a", "b"), std=(1.0,)), "std has 1 values"),
        (lambda: TableInput("x", ("a",), std=(float("nan"),)), "above 0"),
        (lambda: TextInput("x", ("a",), 3, level="letter"), "level is 'letter'"),
        (lambda: TextInput("x", ("a",), 3, normalization="NFD"), "normalization is 'NFD'"),
        (lambda: TextInput("x", (), 3), "has 0 tokens"),
        (lambda: TextInput("x", ("a", "a"), 3), "has 2 tokens, 1 of them different"),
        (lambda: TextInput("x", ("a",), 0), "length is 0"),
        (lambda: TextInput("x", ("a",), 3, padding=1), "padding is 1; an index from 0 to 0"),
        (lambda: TextInput("x", ("a",), 3, unknown=-1), "unknown is -1"),
        (lambda: TextInput("x", ("a", "b"), 3, padding=1, unknown=1), "both 1; they must differ"),
        (lambda: SequenceInput("x", 0, 3), "0 features and the length 3"),
        (lambda: SequenceInput("x", 2, 3, mean=(1.0,)), "mean has 1 values; 2 are expected, one for each feature"),
        (lambda: OutputCard("x", "probability"), "Did you mean 'probabilities'"),
        (lambda: ModelCard("classify", ()), "task is 'classify'"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(make: Any, words: str) -> None:
    with pytest.raises(CardError) as caught:
        make()
    assert words in str(caught.value)


IMAGE_CARD = ModelCard(
    "classification",
    (ImageInput("x", "RGB", (8, 8), resize=(8, 8), crop=(8, 8), mean=(0.5,) * 3, std=(0.5,) * 3),),
    (OutputCard("y", "probabilities"), OutputCard("e", "embedding")),
    ("a", "b"),
    {"data": "d", "examples": 3, "measured": {"acc": 0.5}},
    {"worst": {"y": 1e-6}, "samples": 3, "batch_sizes": [1, 2]},
    {"toolkit": "1"},
).to_dict()
TABLE_CARD = ModelCard(
    "regression", (TableInput("x", ("a", "b"), (0.0, 1.0), (1.0, 2.0)),), (OutputCard("y", "values"),), ("t",)
).to_dict()
TEXT_CARD = ModelCard(
    "multilabel",
    (TextInput("x", ("<pad>", "<unknown>", "a", "b"), 3, padding=0, unknown=1, lowercase=True),),
    (OutputCard("y", "probabilities"),),
    ("p", "q"),
).to_dict()
SEQUENCE_CARD = ModelCard(
    "dense", (SequenceInput("x", 2, 4, (0.0, 1.0), (1.0, 2.0)),), (OutputCard("y", "logits"),), ("p", "q")
).to_dict()
ARRAY_CARD = ModelCard("raw", (ArrayInput("x", (3, None)),), (OutputCard("y", "raw"),)).to_dict()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "Update onnx-edge-toolkit"),
        ({"version": None}, "version None"),
        ({"inputs": [{**IMAGE_CARD["inputs"][0], "gamma": 2.2}]}, "unknown fields gamma"),
        ({"inputs": [{"kind": "sound", "name": "x"}]}, "kind 'sound'"),
        ({"inputs": [{"kind": "image", "color": "RGB", "size": [8, 8]}]}, "malformed"),
        ({"inputs": [{**IMAGE_CARD["inputs"][0], "size": [8, 8, 8]}]}, "a height and a width are expected"),
        ({"inputs": {}}, "inputs is a dict; a list is expected"),
        ({"labels": "abc"}, "labels is a str"),
        ({"training": []}, "training is a list"),
        ({"outputs": [["y", "raw"]]}, "malformed"),
    ],
)
def test_a_malformed_card_is_refused_and_says_what_is_wrong(change: dict[str, Any], words: str) -> None:
    with pytest.raises(CardError) as caught:
        ModelCard.from_dict({**IMAGE_CARD, **change})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"text"', "{}", "[" * 100_000, '{"version":' + "1" * 5000 + "}"]
)
def test_text_that_is_no_card_is_a_card_error(text: str) -> None:
    with pytest.raises(CardError):
        ModelCard.from_json(text)


@pytest.mark.parametrize("depth", [60, 400, 900, 2000])
@pytest.mark.parametrize("what", ["training", "parity", "producer"])
def test_facts_that_are_nested_deep_are_a_card_error(what: str, depth: int) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        facts = '{"x":' + opening * depth + "1" + closing * depth + "}"
        text = json.dumps({**IMAGE_CARD, what: "@"}).replace('"@"', facts)
        with pytest.raises(CardError, match=r"nested deeper than 50 levels|is not JSON"):
            ModelCard.from_json(text)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from _places(inner, (*place, key))


def _with(value: Any, place: tuple[Any, ...], junk: Any) -> Any:
    if not place:
        return junk
    changed = copy.deepcopy(value)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = junk
    return changed


JUNK = (None, True, 0, -1, 1.5, float("nan"), 10**400, "", "x", [], [1], [1, 2, 3], ["a"], [None], [[1]], {}, {"a": 1})


@pytest.mark.parametrize(
    "whole",
    [IMAGE_CARD, TABLE_CARD, TEXT_CARD, SEQUENCE_CARD, ARRAY_CARD],
    ids=["image", "table", "text", "sequence", "array"],
)
def test_a_card_with_anything_anywhere_is_refused_or_can_be_used(whole: dict[str, Any]) -> None:
    refused = used = 0
    for place in _places(whole):
        for junk in JUNK:
            try:
                card = ModelCard.from_json(json.dumps(_with(whole, place, junk)))
            except CardError:
                refused += 1
                continue
            used += 1
            assert card_lines(card)
            assert ModelCard.from_json(card.to_json()).to_json() == card.to_json()
            for entry in card.inputs:
                for data in (np.zeros((8, 8, 3), np.uint8), np.zeros((1, 3, 8, 8), np.float32), [[1.0, 2.0]], ["ab"]):
                    try:
                        prepared, _ = prepare(data, entry)
                    except InputError:
                        continue
                    assert prepared.dtype.kind in "fiub"
    assert refused > 30
    assert used > 30
