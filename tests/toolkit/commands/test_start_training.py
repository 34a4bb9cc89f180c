"""`toolkit train` as Python calls it: from a path and a network's name to a finished run folder."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from runtime.errors import CheckpointError, InputError, SpecError, ToolkitError
from toolkit.commands.start_training import continue_training, plan_training, start_training
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.runs import run
from toolkit.training.runs.config import RunConfig, override

PLACES = {"model": "model.name", "data": "data.path"} | {
    name: f"data.{name}" for name in ("task", "color", "size", "val_ratio", "test_ratio")
}
Options = dict[str, Any]


def config(options: Options, **changes: Any) -> RunConfig:
    """A run from settings by their plain names."""
    given = {**options, **changes}
    return RunConfig.from_dict(
        override({}, [(PLACES.get(name, f"training.{name}"), value) for name, value in given.items()])
    )


@pytest.fixture(scope="module")
def options(flowers: Path) -> Options:
    return {"model": "mlp", "data": str(flowers), "epochs": 4, "batch_size": 16, "val_ratio": 0.2, "seed": 5}


@pytest.fixture(scope="module")
def finished(options: Options, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[str]]:
    folder, lines = tmp_path_factory.mktemp("command"), []
    return folder, start_training(config(options), folder, lines.append), lines


def test_the_result_tells_the_history_and_the_best_epoch(finished: Any) -> None:
    folder, result, _ = finished
    assert json.loads(json.dumps(result)) == result
    assert result["folder"] == str(folder)
    assert len(result["history"]) == 4
    assert result["best"]["val_acc"] == max(entry["val_acc"] for entry in result["history"])
    assert {"best.pth", "last.pth", "run.toml", "run.json", "history.csv", "confusion.png"} <= set(result["files"])


def test_the_report_names_the_data_the_network_and_every_epoch(finished: Any, flowers: Path) -> None:
    lines = finished[2]
    assert lines[0] == f"data: {flowers}: 60 examples of shape 4, 3 classes"
    assert "multiply-adds" in lines[1]
    assert [line.split("  ")[0] for line in lines[2:]] == ["epoch 1/4", "epoch 2/4", "epoch 3/4", "epoch 4/4"]


def test_the_checkpoint_keeps_the_run(finished: Any, options: Options) -> None:
    known = Checkpoint.load(finished[0] / "last.pth").training["config"]
    assert RunConfig.from_dict(known) == config(options)


def test_the_toml_of_a_finished_run_reproduces_it(finished: Any, tmp_path: Path) -> None:
    tables = tomllib.loads((finished[0] / "run.toml").read_text(encoding="utf-8"))
    start_training(RunConfig.from_dict(tables), tmp_path, None)
    one, other = (Checkpoint.load(folder / "last.pth").state_dict for folder in (tmp_path, finished[0]))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_plan_writes_nothing_and_says_what_would_be(options: Options, tmp_path: Path) -> None:
    facts, text = plan_training(config(options, ema=0.9, test_ratio=0.1), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert json.loads(json.dumps(facts))["data"] | {"path": ""} == {
        "path": "", "description": "60 examples of shape 4, 3 classes", "training": 42, "validation": 12, "test": 6,
        "augmentation": [],
    }  # fmt: skip
    assert facts["steps"] == 12
    assert "plan: 4 epochs of 3 steps of 16 examples" in text
    assert "ema: 0.9" in text


def test_a_test_part_is_held_out_and_measured(options: Options, tmp_path: Path) -> None:
    result = start_training(config(options, epochs=1, test_ratio=0.2), tmp_path, None)
    assert 0 <= result["best"]["test_acc"] <= 1


def test_named_networks_train_on_pictures_with_a_size(digit_folder: Path, tmp_path: Path) -> None:
    result = start_training(
        config(
            {"model": "LeNet", "data": str(digit_folder)}, epochs=1, color="grayscale", size=[12, 12], val_ratio=0.25
        ),
        tmp_path,
        None,
    )
    assert Checkpoint.load(tmp_path / "best.pth").spec.input_shape == (1, 12, 12)
    assert set(result["best"]) == {"epoch", "loss", "acc", "val_loss", "val_acc"}


def test_a_regression_is_trained(tmp_path: Path) -> None:
    (tmp_path / "line.csv").write_text("a,b\n" + "".join(f"{n},{2 * n}\n" for n in range(20)))
    result = start_training(
        config({"model": "mlp", "data": str(tmp_path / "line.csv")}, epochs=2, task="reg"), tmp_path / "run", None
    )
    assert "confusion.png" not in result["files"]
    assert "val_r2" in result["best"]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        (
            {"model": "lenet"},
            SpecError,
            r"layer 1 'lenet': \(N, channels, height, width\) is expected, but it receives",
        ),
        ({"model": "mpl"}, SpecError, "There is no network 'mpl'. Did you mean 'mlp'?"),
        ({"data": "nowhere"}, InputError, "nowhere does not exist"),
        ({"epochs": 0}, SpecError, "epochs=0 was given"),
        ({"epochs": -1}, SpecError, "epochs=-1 was given"),
        ({"lr": -1.0}, SpecError, "lr=-1.0 was given"),
        ({"batch_size": 0}, SpecError, "batch_size=0 was given"),
        ({"optimizer": "adm"}, SpecError, "There is no optimiser 'adm'"),
        ({"schedule": "one"}, SpecError, "There is no schedule 'one'"),
        ({"val_ratio": 1.0}, SpecError, "a share of at least 0 and below 1"),
        ({"val_ratio": 0.001}, InputError, "leaves one part empty"),
        ({"seed": -1}, SpecError, "seed=-1 was given"),
        ({"task": "reg"}, InputError, "the cell is 'setosa'; a number is expected"),
    ],
)
def test_what_is_wrong_is_named_before_a_file_is_written(
    options: Options, tmp_path: Path, changes: dict[str, Any], error: type[ToolkitError], words: str
) -> None:
    with pytest.raises(error, match=words.replace("?", r"\?")):
        start_training(config(options, **changes), tmp_path / "run", None)
    assert not (tmp_path / "run").exists()


def stop_after(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    """Interrupt the training as soon as so many epochs are saved."""
    whole = run.Run._save

    def save(self: run.Run, training: Any) -> None:
        whole(self, training)
        if len(training.history) == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(run.Run, "_save", save)


@pytest.mark.parametrize("epochs", [1, 3, 4])
def test_a_continued_training_is_the_uninterrupted_one(
    finished: Any, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    """Also after the last epoch, before its pictures are drawn."""
    stop_after(monkeypatch, epochs)
    with pytest.raises(KeyboardInterrupt):
        start_training(config(options), tmp_path, None)
    monkeypatch.undo()
    result = continue_training(tmp_path, None)
    assert [entry["loss"] for entry in result["history"]] == [entry["loss"] for entry in finished[1]["history"]]
    for name in ("last.pth", "best.pth"):
        one, other = (Checkpoint.load(folder / name).state_dict for folder in (tmp_path, finished[0]))
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in finished[0].iterdir()}


def test_a_finished_training_is_not_continued(finished: Any) -> None:
    before = (finished[0] / "last.pth").read_bytes()
    with pytest.raises(CheckpointError, match="is finished: it holds all of its 4 epochs"):
        continue_training(finished[0], None)
    assert (finished[0] / "last.pth").read_bytes() == before


def test_an_old_folder_that_is_trained_into_anew_can_be_continued(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures of the run before must not pass for those of this one."""
    (tmp_path / "curves.png").write_bytes(b"of an older run")
    stop_after(monkeypatch, 4)
    with pytest.raises(KeyboardInterrupt):
        start_training(config(options), tmp_path, None)
    monkeypatch.undo()
    continue_training(tmp_path, None)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_there_must_be_something_to_continue(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError,
        match=r"holds no last.pth to continue from: it is written after the first whole epoch, and when a training is stopped",
    ):
        continue_training(tmp_path, None)


def test_a_training_of_a_script_is_continued_in_its_script(tmp_path: Path, digits: Any) -> None:
    from toolkit import nn

    model = nn("cls", tmp_path)
    model.load_dataset(*digits)
    model.add("linear", size=10)
    model.train(epochs=1, verbose=False)
    with pytest.raises(CheckpointError, match=r"was not written by `toolkit train`. Continue it in Python"):
        continue_training(tmp_path, None)


def test_changed_data_is_noticed(options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, data=np.random.default_rng(0).random((20, 3)), label=np.arange(20) % 2)
    stop_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        start_training(config(options, data=str(data)), tmp_path / "run", None)
    monkeypatch.undo()
    np.savez(data, data=np.random.default_rng(1).random((20, 3)), label=np.arange(20) % 2)
    with pytest.raises(CheckpointError, match="The data has changed since the checkpoint was written"):
        continue_training(tmp_path / "run", None)
    data.unlink()
    with pytest.raises(InputError, match="does not exist"):
        continue_training(tmp_path / "run", None)


# ---- continuing elsewhere and for longer ---------------------------------------------------------------------------------


def stopped_run(options: Options, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Path:
    """A run folder of three epochs or fewer, whose data is beside it."""
    data = folder / "data.npz"
    np.savez(data, data=np.random.default_rng(0).random((40, 3)), label=np.arange(40) % 2)
    stop_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        start_training(config(options, data=str(data), epochs=4, **changes), folder / "run", None)
    monkeypatch.undo()
    return folder / "run"


def losses(result: dict[str, Any]) -> list[float]:
    return [entry["loss"] for entry in result["history"]]


def test_data_that_went_elsewhere_is_known_by_its_content(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, moved = stopped_run(options, tmp_path, monkeypatch), tmp_path / "moved.npz"
    (tmp_path / "data.npz").rename(moved)
    with pytest.raises(InputError, match=r"data\.npz, the data of this training, does not exist.*--resume --data PATH"):
        continue_training(folder, None)
    other = tmp_path / "other.npz"
    np.savez(other, data=np.random.default_rng(1).random((40, 3)), label=np.arange(40) % 2)
    with pytest.raises(CheckpointError, match="The data has changed"):
        continue_training(folder, None, data=str(other))
    result = continue_training(folder, None, data=str(moved))
    whole = start_training(config(options, data=str(moved), epochs=4), tmp_path / "whole", None)
    assert losses(result) == losses(whole)
    assert tomllib.loads((folder / "run.toml").read_text())["data"]["path"] == str(moved)


def test_a_finished_training_goes_on_for_more_epochs(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it had been as long from the beginning, where the schedule allows it; else a line says what becomes of that."""
    folder = stopped_run(options, tmp_path, monkeypatch, schedule="constant")
    continue_training(folder, None)
    with pytest.raises(CheckpointError, match=r"is finished: it holds all of its 4 epochs.*--resume --epochs 6"):
        continue_training(folder, None)
    lines: list[str] = []
    result = continue_training(folder, lines.append, epochs=6)
    asked = config(options, data=str(tmp_path / "data.npz"), epochs=6, schedule="constant")
    assert losses(result) == losses(start_training(asked, tmp_path / "whole", None))
    assert not [line for line in lines if line.startswith("note:")]
    assert not (folder / "earlier-1").exists()


def test_a_schedule_for_so_many_epochs_is_continued_with_a_word(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stopped_run(options, tmp_path, monkeypatch, schedule="onecycle")
    with pytest.raises(CheckpointError, match="cannot be resumed with epochs=6"):
        continue_training(folder, None, epochs=6)
    continue_training(folder, None)
    lines: list[str] = []
    assert len(continue_training(folder, lines.append, epochs=6)["history"]) == 6
    assert "note: the schedule onecycle was for 4 epochs; from here on it is the one for 6." in lines


def test_another_number_of_threads_is_said(options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, lines = stopped_run(options, tmp_path, monkeypatch), []
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        continue_training(folder, lines.append)
    finally:
        torch.set_num_threads(threads)
    found = [line for line in lines if line.startswith("note: the training ran with")]
    assert len(found) == 1
    assert f"threads {threads}, and goes on with threads {threads + 1}" in found[0]
