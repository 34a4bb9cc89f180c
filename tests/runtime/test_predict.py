"""Arrays become labels, probabilities and values."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import softmax

from runtime.card import ModelCard, OutputCard
from runtime.errors import CardError, InputError
from runtime.predict import Classification, Failure, Regression, interpret, prediction_output

LOGITS = ModelCard("classification", (), (OutputCard("out", "logits"),), ("a", "b", "c"))
PROBABILITIES = ModelCard("classification", (), (OutputCard("out", "probabilities"),), ("a", "b", "c"))
VALUES = ModelCard("regression", (), (OutputCard("out", "values"),), ("height", "width"))


@given(arrays.arrays(np.float32, (4, 3), elements=st.floats(-500, 500, width=32)))
def test_logits_become_probabilities_and_the_label_is_the_most_probable(rows: np.ndarray) -> None:
    found = interpret(rows, LOGITS, [None] * 4)
    for result, row in zip(found, rows, strict=True):
        np.testing.assert_allclose(result.probabilities, softmax(row.astype(np.float64)), rtol=1e-4, atol=1e-7)
        assert row[result.index] >= row.max() - 1e-5
        assert result.label == "abc"[result.index]
        assert result.probability == result.probabilities.max()


def test_probabilities_are_taken_as_they_are_with_their_sources() -> None:
    rows = np.array([[0.2, 0.7, 0.1], [0.5, 0.25, 0.25]], np.float32)
    first, second = interpret(rows, PROBABILITIES, ["x.png", None])
    assert (first.label, first.index, first.source, second.source) == ("b", 1, "x.png", None)
    assert first.top(2) == [("b", pytest.approx(0.7)), ("a", pytest.approx(0.2))]
    assert second.top(9) == [("a", 0.5), ("b", 0.25), ("c", 0.25)]  # equals keep their order
    np.testing.assert_array_equal(first.probabilities, rows[0])


def test_classes_without_names_are_numbered() -> None:
    card = ModelCard("classification", (), (OutputCard("out", "probabilities"),))
    assert interpret(np.array([[0.1, 0.9]], np.float32), card, [None])[0].label == "1"


def test_values_are_named_after_the_card_or_numbered() -> None:
    rows = np.array([[1.5, 2.5]], np.float32)
    assert interpret(rows, VALUES, ["a"])[0].to_dict() == {"source": "a", "values": {"height": 1.5, "width": 2.5}}
    unnamed = interpret(rows, ModelCard("regression", (), (OutputCard("out", "values"),)), [None])[0]
    assert (unnamed.names, unnamed.value) == (("value 0", "value 1"), 1.5)


def test_another_number_of_labels_than_probabilities_is_a_card_error() -> None:
    with pytest.raises(CardError, match=r"3 labels, but the model gives 2 probabilities. Export it again"):
        interpret(np.zeros((1, 2), np.float32), PROBABILITIES, [None])


@pytest.mark.parametrize(
    ("task", "roles", "chosen"),
    [
        ("classification", ["embedding", "logits", "probabilities"], "probabilities"),
        ("classification", ["embedding", "logits"], "logits"),
        ("regression", ["embedding", "values"], "values"),
    ],
)
def test_the_output_that_answers_the_task_is_chosen_by_its_role(task: str, roles: list[str], chosen: str) -> None:
    assert prediction_output(ModelCard(task, (), tuple(OutputCard(role, role) for role in roles))) == chosen


@pytest.mark.parametrize(("task", "role"), [("raw", "raw"), ("classification", "embedding"), ("regression", "logits")])
def test_a_card_without_a_prediction_is_refused_with_what_it_has(task: str, role: str) -> None:
    with pytest.raises(CardError, match=rf"out \({role}\); none of them is a prediction"):
        prediction_output(ModelCard(task, (), (OutputCard("out", role),)))


def test_every_result_is_plain_json() -> None:
    results = [
        Classification("b", 1, 0.7, np.array([0.3, 0.7], np.float32), ("a", "b"), "x.png"),
        Regression(np.array([1.5], np.float32), ("t",), None),
        Failure("y.png", InputError("broken")),
    ]
    found = json.loads(json.dumps([result.to_dict(1) for result in results]))
    assert found[0]["top"] == [{"label": "b", "probability": pytest.approx(0.7)}]
    assert found[1:] == [{"source": None, "values": {"t": 1.5}}, {"source": "y.png", "error": "broken"}]
