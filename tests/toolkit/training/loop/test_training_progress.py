"""The progress bar: on a terminal only, with the epoch, the loss, and what was done before."""

from __future__ import annotations

import pytest
from small_training import parts, settings, small_network

from toolkit.data.dataset import Dataset
from toolkit.training.loop.loop import fit
from toolkit.training.loop.progress import training_progress


def test_it_is_silent_where_the_output_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with training_progress(2, 3) as bar:
        assert bar is None  # nothing is called after each batch
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_on_a_terminal_it_shows_where_the_training_is(
    clusters: Dataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with training_progress(4, 3) as bar:
        for training in fit(small_network(), *parts(clusters), settings(), callbacks=[bar]):
            if training.epoch == 2:
                break
    captured = capsys.readouterr()
    assert captured.out == ""
    for words in ("epoch 3/4", f"loss {training.history[-1]['loss']:.4f}", "6/12", "left"):
        assert words in captured.err


def test_it_counts_from_what_was_done_before(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with training_progress(5, 2, done=7):
        pass
    assert "7/10" in capsys.readouterr().err
