"""Callbacks: their events, how they stop a training, and that their errors are theirs."""

from __future__ import annotations

from typing import Any

import pytest
from small_training import numbers, parts, same, settings, small_network, train, weights

from runtime.errors import SpecError
from toolkit.data.dataset import Dataset
from toolkit.training.loop.callbacks import EVENTS, StopTraining
from toolkit.training.loop.loop import Training, fit


class Watcher:
    """Only what it has a method for."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def on_batch_end(self, training: Training) -> None:
        self.seen.append((training.epoch, training.running.batch))


def test_a_function_is_called_at_every_event(clusters: Dataset) -> None:
    seen: list[str] = []
    train(small_network(), clusters, settings(epochs=2), callbacks=[lambda event, _training: seen.append(event)])
    epoch = ["epoch_begin", "batch_end", "batch_end", "batch_end", "epoch_end"]
    assert seen == ["train_begin", *epoch, *epoch, "train_end"]
    assert set(seen) == set(EVENTS)


def test_an_object_is_called_for_what_it_wants(clusters: Dataset) -> None:
    watcher = Watcher()
    train(small_network(), clusters, settings(epochs=2), callbacks=[watcher])
    assert watcher.seen == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]


def test_at_the_end_of_an_epoch_it_is_in_the_history_and_was_yielded(clusters: Dataset) -> None:
    order: list[str] = []

    def callback(event: str, training: Training) -> None:
        if event == "epoch_end":
            order.append(f"called {len(training.history)}")

    for training in fit(small_network(), *parts(clusters), settings(epochs=2), callbacks=[callback]):
        order.append(f"yielded {len(training.history)}")
    assert order == ["yielded 1", "called 1", "yielded 2", "called 2"]


def test_callbacks_change_nothing_in_what_is_learnt(clusters: Dataset) -> None:
    plain = train(small_network(), clusters, settings())
    watched = train(small_network(), clusters, settings(), callbacks=[Watcher(), lambda event, training: None])
    assert same(weights(plain.network), weights(watched.network))


def stop_by_returning(event: str, training: Training) -> bool:
    return event == "epoch_end" and len(training.history) == 2


def stop_by_raising(event: str, training: Training) -> None:
    if event == "epoch_end" and len(training.history) == 2:
        raise StopTraining


@pytest.mark.parametrize("callback", [stop_by_returning, stop_by_raising])
def test_a_callback_stops_the_training_after_an_epoch(clusters: Dataset, callback: Any) -> None:
    later: list[str] = []
    callbacks = [callback, lambda event, _training: later.append(event)]
    training = train(small_network(), clusters, settings(epochs=9), callbacks=callbacks)
    assert len(training.history) == 2
    assert later[-2:] == ["epoch_end", "train_end"]  # those behind it hear of it too
    assert numbers(training.history) == numbers(train(small_network(), clusters, settings(epochs=9)).history[:2])


def test_a_stop_within_an_epoch_closes_it(clusters: Dataset) -> None:
    def stop(event: str, training: Training) -> bool:
        return event == "batch_end" and training.epoch == 1 and training.running.batch == 1

    training = train(small_network(), clusters, settings(epochs=9, accumulate=2), callbacks=[stop])
    assert len(training.history) == 2
    assert training.schedule.steps == 2 + 1  # the group of two batches was finished
    assert all(parameter.grad is None for parameter in training.network.parameters())


def test_a_return_value_that_is_not_true_stops_nothing(clusters: Dataset) -> None:
    assert len(train(small_network(), clusters, settings(), callbacks=[lambda event, training: 1]).history) == 4


@pytest.mark.parametrize("event", EVENTS)
def test_an_error_of_a_callback_arrives_as_it_is(clusters: Dataset, event: str) -> None:
    error = ZeroDivisionError("of the user's own")

    def callback(now: str, _training: Training) -> None:
        if now == event:
            raise error

    with pytest.raises(ZeroDivisionError) as caught:
        train(small_network(), clusters, settings(), callbacks=[callback])
    assert caught.value is error


def test_a_value_error_of_a_callback_is_not_taken_for_a_batch_that_is_too_small(clusters: Dataset) -> None:
    def callback(_event: str, _training: Training) -> None:
        raise ValueError("Expected more than 1 value per channel")

    with pytest.raises(ValueError, match="Expected"):
        train(small_network(), clusters, settings(), callbacks=[callback])


def test_a_function_without_the_two_arguments_is_refused_with_what_to_write(clusters: Dataset) -> None:
    def watch(training: Training) -> None:
        raise AssertionError(training)

    with pytest.raises(SpecError, match=r"watch.* does not take. Write def watch\(event, training\)"):
        train(small_network(), clusters, settings(), callbacks=[watch])


@pytest.mark.parametrize("callback", [3, "name", object(), None])
def test_what_cannot_be_called_is_refused_before_training(clusters: Dataset, callback: Any) -> None:
    network = small_network()
    before = weights(network)
    with pytest.raises(
        SpecError, match=r"can be called at no event. Give a function of \(event, training\), or an object"
    ):
        train(network, clusters, settings(), callbacks=[callback])
    assert same(weights(network), before)
