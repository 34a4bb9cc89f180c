"""Stopping when nothing improves, and what counts as improvement."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_training import numbers, parts, settings, small_network, train

from runtime.errors import SpecError
from toolkit.data.dataset import Dataset
from toolkit.training.loop.early_stopping import EarlyStopping
from toolkit.training.loop.loop import fit
from toolkit.training.loop.monitor import Monitor, better


@given(scores=st.lists(st.floats(-5, 5), min_size=1, max_size=30), patience=st.integers(1, 5), delta=st.floats(0, 2))
def test_it_waits_for_so_many_epochs_without_improvement(scores: list[float], patience: int, delta: float) -> None:
    stopping = EarlyStopping(patience, delta)
    best, waited = -math.inf, 0
    for score in scores:
        stopping.add((score,))
        if score > best + delta:
            best, waited = score, 0
        else:
            waited += 1
        assert stopping.stops == (waited >= patience)


@given(scores=st.lists(st.floats(-5, 5), min_size=2, max_size=20), cut=st.integers(1, 19))
def test_it_continues_from_its_state(scores: list[float], cut: int) -> None:
    whole, first, second = EarlyStopping(2, 0.1), EarlyStopping(2, 0.1), EarlyStopping(2, 0.1)
    for score in scores:
        whole.add((score,))
    for score in scores[:cut]:
        first.add((score,))
    second.restore(first.state())
    for score in scores[cut:]:
        second.add((score,))
    assert second.state() == whole.state()


def test_without_patience_it_never_stops() -> None:
    stopping = EarlyStopping(None)
    for _ in range(100):
        stopping.add((0.0,))
    assert not stopping.stops


@pytest.mark.parametrize(
    ("new", "old", "margin", "expected"),
    [
        ((1.0,), (0.5,), 0.0, True),
        ((1.0,), (0.5,), 0.5, False),
        ((0.5, 2.0), (0.5, 1.0), 0.0, True),
        ((0.4, 9.0), (0.5, 1.0), 0.0, False),
        ((0.6, 9.0), (0.5, 1.0), 0.2, True),  # the first is within the margin, the second beyond it
        ((-math.inf,), (-math.inf,), 0.0, False),
    ],
)
def test_better(new: Any, old: Any, margin: float, expected: bool) -> None:
    assert better(new, old, margin) is expected


# ---- what is monitored ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"), [("val_loss", (-0.5,)), ("loss", (-0.4,)), ("val_acc", (0.75,)), ("mae", (-0.2,))]
)
def test_less_loss_and_more_accuracy_are_better(name: str, expected: Any) -> None:
    entry = {"epoch": 0, "loss": 0.4, "acc": 0.8, "mae": 0.2, "val_loss": 0.5, "val_acc": 0.75, "val_mae": 0.3}
    assert Monitor(name, "classification", ("acc", "mae"), True).score(entry) == expected


def test_a_value_that_is_no_number_is_the_worst() -> None:
    assert Monitor("loss", "regression", (), False).score({"loss": math.nan}) == (-math.inf,)
    assert Monitor("r2", "regression", ("r2",), False).score({"loss": 1.0}) == (-math.inf,)  # not defined this time
    assert Monitor(None, "regression", (), True).score({"val_loss": math.nan}) == (-math.inf,)


def test_an_epoch_that_is_no_number_is_not_kept_as_the_best(clusters: Dataset) -> None:
    monitor = Monitor(None, "regression", (), False)
    assert better(monitor.score({"loss": 9.0}), monitor.score({"loss": math.nan}))


@pytest.mark.parametrize("name", ["val_los", "accuracy", "val_mae", "lr"])
def test_what_is_not_measured_cannot_be_monitored(clusters: Dataset, name: str) -> None:
    with pytest.raises(
        SpecError, match=f"monitor='{name}' was given, but an epoch of this training measures no such value"
    ):
        train(small_network(), clusters, settings(monitor=name))


def test_without_validation_its_values_cannot_be_monitored(clusters: Dataset) -> None:
    with pytest.raises(SpecError, match="monitor='val_loss'"):
        next(fit(small_network(), parts(clusters)[0], None, settings(monitor="val_loss")))


def test_the_monitored_value_decides_the_best_epoch(clusters: Dataset) -> None:
    for name, pick in (("loss", min), ("val_loss", min), ("acc", max)):
        training = train(small_network(), clusters, settings(monitor=name, epochs=8, lr=0.2))
        values = [entry[name] for entry in training.history]
        assert training.best["epoch"] == values.index(pick(values))


# ---- in a training -------------------------------------------------------------------------------------------------------


def test_a_training_stops_early_and_says_no_more(clusters: Dataset) -> None:
    whole = train(small_network(), clusters, settings(epochs=40, lr=0.2, monitor="val_loss"))
    stopped = train(small_network(), clusters, settings(epochs=40, lr=0.2, monitor="val_loss", early_stopping=2))
    count = len(stopped.history)
    assert count < 40
    assert numbers(stopped.history) == numbers(whole.history[:count])
    assert stopped.best["epoch"] == count - 3
    again = list(fit(small_network(), *parts(clusters), settings(epochs=40, early_stopping=2), resume=stopped.state()))
    assert again == []


def test_a_large_least_change_stops_earlier(clusters: Dataset) -> None:
    counts = [
        len(train(small_network(), clusters, settings(epochs=40, early_stopping=2, min_delta=delta)).history)
        for delta in (0.0, 10.0)
    ]
    assert counts[1] == 3 < counts[0]
