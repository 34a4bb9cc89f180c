"""What a checkpoint says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.errors import CheckpointError
from toolkit import nn
from toolkit.training.checkpoints.describe import describe_checkpoint
from toolkit.training.loop.state import Training


def test_text_and_facts_tell_task_data_labels_results_and_layers(assemble: Callable[..., nn], tmp_path: Path) -> None:
    assemble(tmp_path).train(epochs=2, lr=0.05, verbose=False)
    facts, text = describe_checkpoint(tmp_path / "last.pth")
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert (facts["kind"], facts["epoch"]) == ("checkpoint", 2)
    assert facts["bytes"] == (tmp_path / "last.pth").stat().st_size
    assert facts["network"]["parameters"] == 4 * 8 + 8 + 8 * 3 + 3
    for words in (
        "checkpoint, ", ", after 2 epochs", "task     classification", "labels   low, middle, high",
        "trained  on 48 examples of arrays", "measured loss ", "val_acc ", "linear1", "total",
    ):  # fmt: skip
        assert words in text


def test_a_checkpoint_within_an_epoch_says_where(assemble: Callable[..., nn], tmp_path: Path) -> None:
    def copy_it(event: str, training: Training) -> None:
        if event == "batch_end" and (training.epoch, training.running.batch) == (1, 2):
            (tmp_path / "middle.pth").write_bytes((tmp_path / "last.pth").read_bytes())

    assemble(tmp_path).train(epochs=2, lr=0.05, verbose=False, save_every=1, callbacks=[copy_it])
    facts, text = describe_checkpoint(tmp_path / "middle.pth")
    assert (facts["epoch"], facts["batch"]) == (1, 1)
    assert ", after 1 epochs and 1 batches" in text.splitlines()[0]


def test_a_network_that_was_only_saved_says_nothing_of_epochs(assemble: Callable[..., nn], tmp_path: Path) -> None:
    assemble(tmp_path).save(tmp_path / "fresh.pth")
    facts, text = describe_checkpoint(tmp_path / "fresh.pth")
    assert facts["epoch"] is None
    assert "after" not in text.splitlines()[0]
    assert "trained" not in text


def test_a_file_that_is_none_is_a_checkpoint_error(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"noise")
    with pytest.raises(CheckpointError):
        describe_checkpoint(tmp_path / "a.pth")
