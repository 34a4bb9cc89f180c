"""Arrays become labels, probabilities and values."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import expit, softmax

from runtime.card import ModelCard, OutputCard
from runtime.errors import CardError, InputError
from runtime.results import (
    Classification,
    Dense,
    Embedding,
    Failure,
    Multilabel,
    Regression,
    decode,
    prediction_output,
)

LOGITS = ModelCard("classification", (), (OutputCard("out", "logits"),), ("a", "b", "c"))
PROBABILITIES = ModelCard("classification", (), (OutputCard("out", "probabilities"),), ("a", "b", "c"))
VALUES = ModelCard("regression", (), (OutputCard("out", "values"),), ("height", "width"))


@given(arrays.arrays(np.float32, (4, 3), elements=st.floats(-500, 500, width=32)))
def test_logits_become_probabilities_and_the_label_is_the_most_probable(rows: np.ndarray) -> None:
    found = decode({"out": rows}, LOGITS, [None] * 4)
    for result, row in zip(found, rows, strict=True):
        np.testing.assert_allclose(result.probabilities, softmax(row.astype(np.float64)), rtol=1e-4, atol=1e-7)
        assert row[result.index] >= row.max() - 1e-5
        assert result.label == "abc"[result.index]
        assert result.probability == result.probabilities.max()


def test_probabilities_are_taken_as_they_are_with_their_sources() -> None:
    rows = np.array([[0.2, 0.7, 0.1], [0.5, 0.25, 0.25]], np.float32)
    first, second = decode({"out": rows}, PROBABILITIES, ["x.png", None])
    assert (first.label, first.index, first.source, second.source) == ("b", 1, "x.png", None)
    assert first.top(2) == [("b", pytest.approx(0.7)), ("a", pytest.approx(0.2))]
    assert second.top(9) == [("a", 0.5), ("b", 0.25), ("c", 0.25)]  # equals keep their order
    np.testing.assert_array_equal(first.probabilities, rows[0])


def test_classes_without_names_are_numbered() -> None:
    card = ModelCard("classification", (), (OutputCard("out", "probabilities"),))
    assert decode({"out": np.array([[0.1, 0.9]], np.float32)}, card, [None])[0].label == "1"


def test_values_are_named_after_the_card_or_numbered() -> None:
    rows = np.array([[1.5, 2.5]], np.float32)
    assert decode({"out": rows}, VALUES, ["a"])[0].to_dict() == {"source": "a", "values": {"height": 1.5, "width": 2.5}}
    unnamed = decode({"out": rows}, ModelCard("regression", (), (OutputCard("out", "values"),)), [None])[0]
    assert (unnamed.names, unnamed.value) == (("value 0", "value 1"), 1.5)


def test_another_number_of_labels_than_probabilities_is_a_card_error() -> None:
    with pytest.raises(CardError, match=r"3 labels, but the model gives 2 probabilities. Export it again"):
        decode({"out": np.zeros((1, 2), np.float32)}, PROBABILITIES, [None])


@pytest.mark.parametrize(
    ("task", "roles", "chosen"),
    [
        ("classification", ["embedding", "logits", "probabilities"], "probabilities"),
        ("classification", ["embedding", "logits"], "logits"),
        ("regression", ["embedding", "values"], "values"),
        ("multilabel", ["embedding", "logits", "probabilities"], "probabilities"),
        ("dense", ["logits"], "logits"),
        ("embedding", ["embedding"], "embedding"),
    ],
)
def test_the_output_that_answers_the_task_is_chosen_by_its_role(task: str, roles: list[str], chosen: str) -> None:
    assert prediction_output(ModelCard(task, (), tuple(OutputCard(role, role) for role in roles))) == chosen


@pytest.mark.parametrize(
    ("task", "role"),
    [("raw", "raw"), ("classification", "embedding"), ("regression", "logits"), ("embedding", "values")],
)
def test_a_card_without_a_prediction_is_refused_with_what_it_has(task: str, role: str) -> None:
    with pytest.raises(CardError, match=rf"out \({role}\); none of them is a prediction"):
        prediction_output(ModelCard(task, (), (OutputCard("out", role),)))


MULTILABEL = ModelCard("multilabel", (), (OutputCard("out", "logits"),), ("a", "b", "c"))


@given(arrays.arrays(np.float32, (4, 3), elements=st.floats(-500, 500, width=32)))
def test_of_several_labels_each_has_a_probability_of_its_own(rows: np.ndarray) -> None:
    for result, row in zip(decode({"out": rows}, MULTILABEL, [None] * 4), rows, strict=True):
        np.testing.assert_allclose(result.probabilities, expit(row.astype(np.float64)), rtol=1e-5, atol=1e-30)
        assert {label for label, _ in result.chosen} == {"abc"[n] for n in range(3) if result.probabilities[n] > 0.5}


def test_none_one_or_several_labels_hold() -> None:
    card = replace(MULTILABEL, outputs=(OutputCard("out", "probabilities"),))
    rows = np.array([[0.9, 0.1, 0.95], [0.5, 0.1, 0.2]], np.float32)
    first, second = decode({"out": rows}, card, ["x", None])
    assert [label for label, _ in first.chosen] == ["c", "a"]
    assert second.chosen == []
    assert first.to_dict(1)["chosen"][0]["label"] == first.to_dict(1)["top"][0]["label"] == "c"
    with pytest.raises(CardError, match="3 labels, but the model gives 2"):
        decode({"out": np.zeros((1, 2), np.float32)}, card, [None])


@pytest.mark.parametrize("shape", [(2, 4, 3), (2, 3, 4, 5)])
def test_each_position_has_the_most_probable_class(shape: tuple[int, ...]) -> None:
    card = ModelCard("dense", (), (OutputCard("out", "logits"),), ("a", "b", "c"))
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    axis = 2 if len(shape) == 3 else 1
    for index, result in enumerate(decode({"out": values}, card, ["x", None])):
        np.testing.assert_array_equal(result.classes, values.argmax(axis)[index])
        np.testing.assert_allclose(result.probability, softmax(values, axis).max(axis)[index], rtol=1e-6)
        assert sum(share for _, share in result.shares()) == pytest.approx(1)
        assert result.to_dict()["classes"] == result.classes.tolist()
    with pytest.raises(CardError, match="a class at each position"):
        decode({"out": np.zeros((1, 3), np.float32)}, card, [None])


def test_an_embedding_is_given_as_it_is() -> None:
    card = ModelCard("embedding", (), (OutputCard("out", "embedding"),))
    (result,) = decode({"out": np.array([[1.0, 2.0]], np.float32)}, card, ["x"])
    assert result.to_dict() == {"source": "x", "embedding": [1.0, 2.0]}


def test_another_number_of_names_than_of_values_is_a_card_error() -> None:
    with pytest.raises(CardError, match="names 2 values, but the model gives 3"):
        decode({"out": np.zeros((1, 3), np.float32)}, VALUES, [None])


def test_every_result_is_plain_json() -> None:
    results = [
        Classification("b", 1, 0.7, np.array([0.3, 0.7], np.float32), ("a", "b"), "x.png"),
        Regression(np.array([1.5], np.float32), ("t",), None),
        Failure("y.png", InputError("broken")),
        Multilabel(np.array([0.3, 0.7], np.float32), ("a", "b")),
        Dense(np.array([[0, 1]]), np.array([[0.5, 0.6]], np.float32), ("a", "b")),
        Embedding(np.array([0.3, 0.7], np.float32)),
    ]
    found = json.loads(json.dumps([result.to_dict(1) for result in results]))
    assert found[0]["top"] == [{"label": "b", "probability": pytest.approx(0.7)}]
    assert found[1:3] == [{"source": None, "values": {"t": 1.5}}, {"source": "y.png", "error": "broken"}]
