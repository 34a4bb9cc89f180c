"""Decoders: one per task, found by its name; what they compare, score and draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from runtime.card import TASKS, ModelCard, OutputCard
from runtime.errors import SpecError
from runtime.results import (
    IGNORED,
    Classification,
    Dense,
    Embedding,
    Multilabel,
    Regression,
    Result,
    find_decoder,
    register_decoder,
    task_names,
)

GREY = Image.new("L", (60, 40), 128)


def card_of(task: str, *roles: str, labels: tuple[str, ...] = ()) -> ModelCard:
    return ModelCard(task, (), tuple(OutputCard(role, role) for role in roles), labels)


def test_every_task_that_a_card_may_name_has_a_decoder() -> None:
    assert set(task_names()) == set(TASKS)
    assert [find_decoder(name).name for name in task_names()] == list(task_names())


def test_a_second_decoder_of_a_name_and_a_name_without_one_are_refused() -> None:
    with pytest.raises(SpecError, match="A decoder for the task 'dense' is registered already"):
        register_decoder(find_decoder("dense"))
    with pytest.raises(SpecError, match=r"The task 'regresion' was given. Did you mean 'regression'"):
        find_decoder("regresion")


def test_decisions_are_read_from_probabilities_else_logits() -> None:
    scores = np.array([[0.2, 0.6], [-1.0, -2.0]])
    classes = find_decoder("classification")
    for role in ("probabilities", "logits"):
        np.testing.assert_array_equal(classes.decisions({role: scores}, card_of(classes.name, role)), [1, 0])
    labels = find_decoder("multilabel")
    for role, expected in (("probabilities", [[False, True], [False, False]]), ("logits", [[True, True], [False] * 2])):
        np.testing.assert_array_equal(labels.decisions({role: scores}, card_of(labels.name, role)), expected)
    for other in ("regression", "embedding", "raw"):
        assert find_decoder(other).agreement({"y": scores}, {"y": scores}, card_of(other, "values")) is None


def test_outputs_of_other_shapes_have_no_agreement() -> None:
    card = card_of("classification", "logits")
    decoder = find_decoder("classification")
    assert decoder.agreement({"logits": np.zeros((2, 3))}, {"logits": np.zeros((4, 3))}, card) is None
    assert decoder.agreement({"logits": np.zeros(2)}, {"logits": np.zeros(2)}, card) is None
    same = decoder.agreement({"logits": np.eye(3)}, {"logits": np.eye(3)[[0, 2, 2]]}, card)
    np.testing.assert_array_equal(same, [True, False, True])


def test_ignored_positions_are_neither_right_nor_wrong() -> None:
    from toolkit.tasks import class_indices

    assert IGNORED == class_indices.IGNORED
    scores = np.eye(3)[None]  # (1, 3, 3): classes 0, 1, 2
    found = find_decoder("dense").score({"logits": scores}, np.array([[0, IGNORED, 1]]), card_of("dense", "logits"))
    assert found == 50.0


@pytest.mark.parametrize("task", ["embedding", "raw"])
def test_where_nothing_can_be_right_nothing_is_scored(task: str) -> None:
    decoder = find_decoder(task)
    assert decoder.measure is None
    assert decoder.score({"values": np.zeros((2, 1))}, np.zeros(2), card_of(task, "values")) is None


LABELS = ("cat", "dog", "bird")
ANSWERS: list[Any] = [
    Classification("dog", 1, 0.7, np.array([0.1, 0.7, 0.2], np.float32), LABELS),
    Multilabel(np.array([0.1, 0.7, 0.9], np.float32), LABELS),
    Multilabel(np.zeros(3, np.float32), LABELS),
    Regression(np.array([1.5, 2.5], np.float32), ("height", "width")),
    Embedding(np.arange(9, dtype=np.float32)),
    Dense(np.array([[0, 1, 1], [0, 1, 1]]), np.ones((2, 3), np.float32), LABELS),
    Dense(np.array([0, 1, 1]), np.ones(3, np.float32), LABELS),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_an_answer_is_drawn_on_a_picture_and_below_it(answer: Result) -> None:
    drawn = answer.draw(GREY)
    assert (drawn.mode, drawn.width) == ("RGB", 60)
    assert drawn.height > 40
    below = np.asarray(drawn)[40:]
    assert below.min() < 128 < below.max() == 255  # writing on paper
    plain = np.asarray(drawn)[:40]
    if isinstance(answer, Dense) and answer.classes.ndim == 2:
        assert len(np.unique(plain.reshape(-1, 3), axis=0)) == 2
        assert (plain[:, :20] == plain[0, 0]).all() and (plain[:, 20:] == plain[0, -1]).all()
    else:
        assert (plain == 128).all()
    assert GREY.getpixel((0, 0)) == 128
