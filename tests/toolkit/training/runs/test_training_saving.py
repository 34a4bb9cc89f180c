"""Saving by time: a short training is not made long by its files, and nothing is lost whenever it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from toolkit import nn
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.loop.interruption import TrainingInterrupted
from toolkit.training.runs import saving
from toolkit.training.runs.saving import Saving, Snapshot

Assemble = Callable[..., nn]
ASKED: dict[str, Any] = {"lr": 0.05, "verbose": False, "filename": None}


@pytest.fixture
def saves(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the checkpoints that are written."""
    names: list[str] = []
    save = Checkpoint.save

    def counted(self: Checkpoint, path: Any) -> None:
        names.append(Path(path).name)
        save(self, path)

    monkeypatch.setattr(Checkpoint, "save", counted)
    return names


def same(a: Any, b: Any) -> bool:
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def test_short_epochs_are_not_all_written(assemble: Assemble, tmp_path: Path, saves: list[str]) -> None:
    history = assemble(tmp_path).train(epochs=40, **ASKED)
    assert saves[:2] == ["best.pth", "last.pth"]
    assert len(saves) <= 4
    last, best = (Checkpoint.load(tmp_path / name) for name in ("last.pth", "best.pth"))
    assert last.training["history"] == history
    assert json.loads((tmp_path / "history.json").read_text())["epochs"] == history
    expected = max(history, key=lambda entry: (entry["val_acc"], -entry["val_loss"]))
    assert best.card.training["measured"]["epoch"] == expected["epoch"]
    assert best.training["epoch"] == expected["epoch"] + 1


def test_with_save_every_each_epoch_is_written(assemble: Assemble, tmp_path: Path, saves: list[str]) -> None:
    assemble(tmp_path).train(epochs=4, **ASKED, save_every=100)
    assert saves.count("last.pth") == 4


def test_what_waits_is_as_the_training_was_then(assemble: Assemble, tmp_path: Path) -> None:
    """Weights, optimiser and generators of the best epoch, though the training went on before they were written."""
    written = {}

    def watch(event: str, training: Any) -> None:
        if event == "epoch_end" and training.is_best:
            written.update(epoch=training.epoch, state=Snapshot.of(training).copied())

    assemble(tmp_path).train(epochs=30, **ASKED, callbacks=[watch])
    best = Checkpoint.load(tmp_path / "best.pth")
    assert best.training["epoch"] == written["epoch"]
    assert same(best.state_dict, written["state"].weights)
    assert torch.equal(
        best.training["processes"][0]["random"]["torch"], written["state"].state["processes"][0]["random"]["torch"]
    )
    moments = best.training["optimizer"]["state"]
    assert all(same(moments[key], written["state"].state["optimizer"]["state"][key]) for key in moments)


@pytest.mark.parametrize("how", ["error", "ctrl-c"])
@pytest.mark.parametrize("event", ["batch_end", "epoch_begin", "epoch_end"])
def test_a_training_that_ends_early_leaves_its_last_state_and_its_best(
    assemble: Assemble, tmp_path: Path, event: str, how: str
) -> None:
    whole = assemble(tmp_path / "whole").train(epochs=8, **ASKED)

    def end(now: str, training: Any) -> None:
        if now == event and training.epoch == 5:
            if how == "error":
                raise RuntimeError("the callback's own")
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(RuntimeError if how == "error" else TrainingInterrupted):
        assemble(tmp_path).train(epochs=8, **ASKED, callbacks=[end])
    last, best = (Checkpoint.load(tmp_path / name) for name in ("last.pth", "best.pth"))
    assert last.training["epoch"] == 5
    assert best.training["epoch"] == last.training["best"]["epoch"] + 1
    again = assemble(tmp_path).train(epochs=8, **ASKED, resume=tmp_path / "last.pth")
    assert [entry["val_loss"] for entry in again] == [entry["val_loss"] for entry in whole]
    for name in ("last.pth", "best.pth"):
        expected = Checkpoint.load(tmp_path / "whole" / name).state_dict
        assert same(Checkpoint.load(tmp_path / name).state_dict, expected)


def test_a_loss_that_is_no_number_leaves_the_last_whole_epoch(assemble: Assemble, tmp_path: Path) -> None:
    def spoil(event: str, training: Any) -> None:
        if event == "batch_end" and training.epoch == 3:
            with torch.no_grad():
                next(training.network.parameters()).fill_(float("nan"))

    with pytest.raises(Exception, match="The loss became nan"):
        assemble(tmp_path).train(epochs=8, **ASKED, callbacks=[spoil])
    last = Checkpoint.load(tmp_path / "last.pth")
    assert last.training["epoch"] == 3
    assert all(tensor.isfinite().all() for tensor in last.state_dict.values())


def test_slow_saving_takes_a_tenth_of_the_time_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    class Slow:
        def save(self, path: Path) -> None:
            clock[0] += 4.0

    monkeypatch.setattr(saving.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(saving, "write_history", lambda *_: None)
    files = Saving(tmp_path, {}, lambda _: Slow(), every=False)  # type: ignore[arg-type, return-value]
    writings = 0
    for _ in range(1000):
        before = clock[0]
        files.add(Snapshot({"history": []}, {}, {}, ""), is_best=True)
        writings += clock[0] > before
        clock[0] += 1.0
    assert 8 * writings <= 0.1 * clock[0] + 8


def test_shared_weights_stay_shared(assemble: Assemble) -> None:
    weight = torch.ones(3, 3)
    copied = Snapshot({"history": [], "network": {"a": weight, "b": weight.detach()}}, {"a": weight}, {}, "").copied()
    assert copied.state["network"]["a"] is copied.state["network"]["b"] is copied.weights["a"]
    assert copied.weights["a"].data_ptr() != weight.data_ptr()


def test_accuracy_alone_does_not_import_torchmetrics(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from toolkit import nn\n"
        f"m = nn('cls', {str(tmp_path)!r}); m.load_dataset(np.random.randn(20, 3).astype('float32'), np.arange(20) % 2)\n"
        "m.add('linear', size=(3, 2)); m.train(epochs=1, verbose=False)\n"
        "print('torchmetrics' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split()[-1] == "False"
