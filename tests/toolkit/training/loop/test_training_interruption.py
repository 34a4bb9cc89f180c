"""Ctrl-C and SIGTERM: the batch ends, the position is kept, and nothing else changes."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from small_training import numbers, parts, same, settings, small_network, train, weights

from toolkit.data.dataset import Dataset
from toolkit.training.loop.interruption import Interruption, TrainingInterrupted
from toolkit.training.loop.loop import Training, fit


class SignalAt:
    """Sends a signal to this process after a batch."""

    def __init__(self, number: int, batch: int) -> None:
        self.number, self.left = number, batch

    def on_batch_end(self, _training: Training) -> None:
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_a_signal_lets_the_batch_end_and_the_training_go_on_later(
    clusters: Dataset, number: signal.Signals, batch: int
) -> None:
    whole = train(small_network(), clusters, settings())
    saved: list[dict[str, Any]] = []
    network = small_network()
    torch.manual_seed(1)
    with Interruption() as interruption, pytest.raises(TrainingInterrupted) as caught:
        for training in fit(
            network,
            *parts(clusters),
            settings(),
            callbacks=[SignalAt(number, batch)],
            save=lambda training: saved.append(training.state()),
            interruption=interruption,
        ):
            saved.append(training.state())
    assert (caught.value.epoch, caught.value.batch) == divmod(batch, 3)
    again = train(small_network(seed=4), clusters, settings(), resume=saved[-1])
    assert same(weights(whole.network), weights(again.network))
    assert numbers(whole.history) == numbers(again.history)


def test_it_is_a_keyboard_interrupt_and_says_where_it_stopped() -> None:
    error = TrainingInterrupted(3, 17)
    assert isinstance(error, KeyboardInterrupt)
    assert (
        str(error) == "The training was stopped after 3 epochs and 17 batches; its checkpoint continues it from there."
    )
    assert str(TrainingInterrupted(2, 0)).startswith("The training was stopped after 2 epochs; ")


def test_the_second_ctrl_c_stops_at_once() -> None:
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGINT)
        assert interruption.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_second_sigterm_is_patient() -> None:
    """torchrun sends one to each process after a Ctrl-C."""
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert interruption.requested


def test_the_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), Interruption():
        assert signal.getsignal(signal.SIGINT) != before[0]
        raise ZeroDivisionError
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGTERM)
            assert not interruption.requested
    finally:
        signal.signal(signal.SIGTERM, before)


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before, found = signal.getsignal(signal.SIGINT), []

    def enter() -> None:
        with Interruption() as interruption:
            found.append((signal.getsignal(signal.SIGINT), interruption.requested))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [(before, False)]


def test_a_loss_that_is_no_number_is_not_saved(line: Dataset, tmp_path: Path) -> None:
    """What is resumed from must be usable."""
    from runtime.errors import SpecError

    saved: list[Any] = []
    network = torch.nn.Sequential(torch.nn.Linear(2, 1))
    with pytest.raises(SpecError, match=r"The loss became (nan|inf) in epoch"):
        list(
            fit(
                network,
                *parts(line, size=2),
                settings("regression", optimizer="sgd", lr=1e20, save_every=1),
                save=lambda training: saved.append(float(training.running.total)),
            )
        )
    assert all(abs(total) < float("inf") for total in saved)
