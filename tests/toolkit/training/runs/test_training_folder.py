"""The folder of a run: nothing finished is replaced, and only one training writes into it. What is kept of a training."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from cli import main
from runtime.errors import InputError, SpecError
from toolkit import nn
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.runs.config import RunConfig
from toolkit.training.runs.folder import locked

Assemble = Callable[..., nn]
ASKED: dict[str, Any] = {"lr": 0.05, "filename": "mine.pth"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_an_earlier_training_is_set_aside_and_a_line_says_so(assemble: Assemble, tmp_path: Path) -> None:
    lines: list[str] = []
    assemble(tmp_path).train(epochs=3, **ASKED, verbose=False)
    before = contents(tmp_path)
    assemble(tmp_path).train(epochs=2, **ASKED, report=lines.append)
    assert f"{tmp_path} held a training of 3 of 3 epochs; its files are in {tmp_path / 'earlier-1'} now" in lines
    assert contents(tmp_path / "earlier-1") == before
    assert len(Checkpoint.load(tmp_path / "last.pth").training["history"]) == 2
    assemble(tmp_path).train(epochs=1, **ASKED, verbose=False)
    assert len(Checkpoint.load(tmp_path / "earlier-2" / "best.pth").training["settings"]) > 5


def test_an_interrupted_training_is_set_aside_too(assemble: Assemble, tmp_path: Path) -> None:
    def press(event: str, training: Any) -> None:
        if event == "epoch_end" and training.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    with contextlib.suppress(KeyboardInterrupt):
        assemble(tmp_path).train(epochs=5, **ASKED, verbose=False, callbacks=[press])
    assemble(tmp_path).train(epochs=1, **ASKED, verbose=False)
    assert Checkpoint.load(tmp_path / "earlier-1" / "last.pth").training["epoch"] == 2


def test_resuming_in_its_own_folder_sets_nothing_aside_and_elsewhere_only_another(
    assemble: Assemble, tmp_path: Path
) -> None:
    assemble(tmp_path / "a").train(epochs=2, **ASKED, verbose=False)
    assemble(tmp_path / "a").train(epochs=4, **ASKED, verbose=False, resume=tmp_path / "a" / "last.pth")
    assert not (tmp_path / "a" / "earlier-1").exists()
    assemble(tmp_path / "b", seed=9).train(epochs=2, **ASKED, verbose=False)
    assemble(tmp_path / "b").train(epochs=6, **ASKED, verbose=False, resume=tmp_path / "a" / "last.pth")
    assert Checkpoint.load(tmp_path / "b" / "earlier-1" / "last.pth").training["settings"]["seed"] == 9


def test_the_command_refuses_a_folder_that_holds_a_training(flowers: Path, tmp_path: Path) -> None:
    asked = ["train", "--model", "mlp", "--data", str(flowers), "--epochs", "2", "-o", str(tmp_path / "run")]
    assert CliRunner().invoke(main, asked).exit_code == 0
    before = contents(tmp_path / "run")
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 2
    assert "holds a training of 2 of 2 epochs already" in " ".join(result.output.split())
    assert "--resume" in result.output
    assert contents(tmp_path / "run") == before


def test_two_trainings_in_one_folder_are_refused(assemble: Assemble, tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(InputError, match=r"Another training is writing into .*another folder"):
        assemble(tmp_path).train(epochs=1, **ASKED, verbose=False)
    assemble(tmp_path).train(epochs=1, **ASKED, verbose=False)


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from toolkit.training.runs.folder import locked\n"
        f"with locked(Path({str(tmp_path)!r})): print('in', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        with pytest.raises(InputError, match="Another training"), locked(tmp_path):
            pass
        process.kill()
        process.wait()
    started = time.monotonic()
    with locked(tmp_path):
        assert time.monotonic() - started < 2


# ---- what is kept --------------------------------------------------------------------------------------------------------


def overfitted(folder: Path, lines: list[str], **settings: Any) -> tuple[nn, list[dict[str, float]]]:
    random = np.random.default_rng(0)
    inputs = random.normal(size=(60, 4)).astype(np.float32)
    model = nn("cls", folder)
    model.set_seed(1)
    model.load_dataset(inputs, random.integers(0, 2, 60), train_val_ratio=0.5)
    model.add("linear", size=(4, 64), activation="relu")
    model.add("linear", size=(64, 2))
    asked = {"epochs": 40, "lr": 0.03, "monitor": "val_loss", **settings}
    return model, model.train(**asked, report=lines.append)


def validation_loss(model: nn) -> float:
    part = model.batches[1]
    assert part is not None
    with torch.no_grad():
        outputs = model.model.eval()(part.data.inputs.take(torch.from_numpy(part.indices)))
    return float(torch.nn.functional.cross_entropy(outputs, part.targets()))


@pytest.mark.parametrize("ema", [None, 0.5])
def test_with_early_stopping_the_best_weights_are_everywhere(
    tmp_path: Path, ema: float | None, capsys: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    model, history = overfitted(tmp_path, lines, early_stopping=8, ema=ema)
    best = min(history, key=lambda entry: entry["val_loss"])
    assert history[-1]["val_loss"] > best["val_loss"] + 0.05
    assert len(history) < 40
    assert validation_loss(model) == pytest.approx(best["val_loss"], abs=1e-5)
    for name in ("basenn.pth", "best.pth"):
        weights = Checkpoint.load(tmp_path / name).state_dict
        assert all(torch.equal(weights[key], value) for key, value in model.model.state_dict().items())
    assert model.card is not None
    assert model.card.training["measured"]["epoch"] == best["epoch"]
    assert f"the weights of the best one are kept: epoch {int(best['epoch']) + 1}/" in lines[-1]
    # the last state is there to be continued
    assert Checkpoint.load(tmp_path / "last.pth").training["epoch"] == len(history)
    model.convert(out_file=tmp_path / "best.onnx")
    assert "note: these are the weights of the last epoch" not in capsys.readouterr().out


def test_without_early_stopping_convert_says_that_an_epoch_was_better(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, history = overfitted(tmp_path, [])
    best = min(history, key=lambda entry: entry["val_loss"])
    assert validation_loss(model) == pytest.approx(history[-1]["val_loss"], abs=1e-5)
    model.convert(out_file=tmp_path / "last.onnx")
    said = capsys.readouterr().out
    assert f"the best one was epoch {int(best['epoch']) + 1}/40" in said
    assert "best.pth" in said
    model.convert(tmp_path / "best.pth", out_file=tmp_path / "best.onnx")
    assert "the best one was" not in capsys.readouterr().out


# ---- a last batch of one -------------------------------------------------------------------------------------------------


def normalised(folder: Path, rows: int = 33) -> nn:
    random = np.random.default_rng(0)
    model = nn("cls", folder)
    model.set_seed(1)
    model.load_dataset(random.normal(size=(rows, 4)).astype(np.float32), np.arange(rows) % 2, batch_size=16)
    model.add("linear", size=(4, 8))
    model.add("batchnorm1d")
    model.add("linear", size=(8, 2))
    return model


def test_a_last_batch_of_one_is_left_out_when_asked(tmp_path: Path) -> None:
    model, batches = normalised(tmp_path), []
    with pytest.raises(SpecError, match=r"drop_last=True"):
        model.train(epochs=1, verbose=False)

    def count(event: str, training: Any) -> None:
        if event == "batch_end":
            batches.append(training.running.weight)

    model.train(epochs=2, verbose=False, drop_last=True, callbacks=[count])
    assert batches == [16, 32, 16, 32]
    again = normalised(tmp_path / "again").train(epochs=3, verbose=False, drop_last=True)
    resumed = normalised(tmp_path).train(epochs=3, verbose=False, drop_last=True, resume=tmp_path / "last.pth")
    assert [entry["loss"] for entry in resumed] == [entry["loss"] for entry in again]
    with pytest.raises(SpecError, match=r"drop_last=True leaves nothing of 9 examples with batch_size=16"):
        normalised(tmp_path, 9).train(epochs=1, verbose=False, drop_last=True)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"epochs": 5}, "'epochs' is a key of [training]: training.epochs."),
        ({"epcohs": 5}, "'epochs' is a key of [training]: training.epochs."),
        ({"data": {"batch_size": 5}}, "'batch_size' is a key of [training]: training.batch_size."),
        ({"training": {"label": "x"}}, "'label' is a key of [data]: data.label."),
        ({"training": {"epoch": 5}}, "Did you mean 'epochs'?"),
        ({"trainig": {}}, "Did you mean 'training'?"),
    ],
)
def test_a_key_that_is_mistyped_or_misplaced_gets_a_suggestion(tables: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        RunConfig.from_dict(tables)
    assert words in str(caught.value)
