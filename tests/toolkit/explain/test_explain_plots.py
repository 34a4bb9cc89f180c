"""Curves and confusion matrices."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from toolkit.explain.plots import TRAIN_COLOR, VALIDATION_COLOR, confusion_matrix, confusion_png, curves_png

ENTRY = {"epoch": 0, "loss": 1.0, "acc": 0.5, "val_loss": 1.2, "val_acc": 0.4, "lr": 0.1, "seconds": 1.0}


def opened(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(int)


def has_color(pixels: np.ndarray, color: str) -> bool:
    wanted = [int(color[start : start + 2], 16) for start in (1, 3, 5)]
    return bool((np.abs(pixels - wanted).sum(2) < 12).sum() > 20)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=60))
def test_the_matrix_counts_true_classes_in_rows_and_predicted_ones_in_columns(pairs: list[tuple[int, int]]) -> None:
    targets, predicted = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    matrix = confusion_matrix(np.array(targets, np.int64), np.array(predicted, np.int64), 5)
    assert matrix.tolist() == [[pairs.count((row, column)) for column in range(5)] for row in range(5)]


def test_training_and_validation_are_drawn_in_their_colours() -> None:
    both = opened(curves_png([{**ENTRY, "epoch": epoch, "loss": 1 / (epoch + 1)} for epoch in range(5)]))
    assert has_color(both, TRAIN_COLOR)
    assert has_color(both, VALIDATION_COLOR)
    alone = opened(curves_png([{"epoch": epoch, "loss": 1.0 - epoch / 9} for epoch in range(5)]))
    assert has_color(alone, TRAIN_COLOR)
    assert not has_color(alone, VALIDATION_COLOR)


def test_every_metric_has_a_panel() -> None:
    widths = [opened(curves_png([dict(list(ENTRY.items())[:count])])).shape[1] for count in (2, 3)]
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.01)


def test_a_single_epoch_and_values_that_are_no_numbers_are_drawn() -> None:
    for value in (1.0, float("nan"), float("inf")):
        assert opened(curves_png([{**ENTRY, "loss": value}])).size > 0


def test_right_predictions_darken_the_diagonal() -> None:
    right = opened(confusion_png(np.diag([5, 5, 5]), ["a", "b", "c"]))
    nothing = opened(confusion_png(np.zeros((3, 3), np.int64), ["a", "b", "c"]))
    assert right.mean() < nothing.mean()


@pytest.mark.parametrize(
    "labels", [["$\\frac$", "$x$", "_{"], ["猫", "狗", "🐦"], ["a" * 60, "", "b"], ["%s", "{}", "\\n"]]
)
def test_classes_may_have_any_name(labels: list[str]) -> None:
    assert opened(confusion_png(np.eye(3, dtype=np.int64), labels)).size > 0


@pytest.mark.parametrize("count", [1, 2, 40])
def test_any_number_of_classes_is_drawn(count: int) -> None:
    matrix: Any = np.ones((count, count), np.int64)
    assert opened(confusion_png(matrix, [str(n) for n in range(count)])).shape[0] >= 390
