"""A training with its folder: what is written, and when it may be continued."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import shlex
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from runtime.card import ArrayInput
from runtime.errors import CheckpointError, SpecError
from toolkit import nn
from toolkit.builder.spec import LayerSpec, NetworkSpec, build, check
from toolkit.data.batching.batches import Batches
from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import load_arrays
from toolkit.data.source import Source
from toolkit.data.stores import RowStore
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.loop.interruption import TrainingInterrupted
from toolkit.training.runs.run import Run, producer
from toolkit.training.settings import Settings

Assemble = Callable[..., nn]


def same(a: Any, b: Any) -> bool:
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def numbers(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in history]


@pytest.fixture(scope="module")
def finished(assemble: Assemble, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, float]]]:
    """A folder after five epochs, and the history that was returned."""
    folder = tmp_path_factory.mktemp("run")
    history = assemble(folder).train(epochs=5, lr=0.05, verbose=False, filename=None)
    return folder, history


@pytest.fixture(scope="module")
def stopped(assemble: Assemble, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """last.pth after two of the five epochs of `finished`."""
    folder = tmp_path_factory.mktemp("stopped")
    assemble(folder).train(epochs=2, lr=0.05, verbose=False, filename=None)
    return folder / "last.pth"


# ---- what is written -----------------------------------------------------------------------------------------------------


def test_the_folder_holds_checkpoints_history_and_pictures_and_nothing_else(finished: Any) -> None:
    folder, _ = finished
    assert sorted(path.name for path in folder.iterdir()) == [
        "best.pth", "confusion.png", "curves.png", "history.csv", "history.json", "last.pth", "run.json",
    ]  # fmt: skip
    for name in ("curves.png", "confusion.png"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 300


def test_the_history_file_holds_what_was_returned_and_the_settings(finished: Any) -> None:
    folder, history = finished
    content = json.loads((folder / "history.json").read_text())
    assert content["epochs"] == history
    known = {"loss": "CrossEntropyLoss", "metrics": ["acc"], "seed": 3, "lr": 0.05, "epochs": 5, "batch_size": 16}
    assert known.items() <= content["settings"].items()
    assert Settings.from_dict(content["settings"]).to_dict() == content["settings"]


def test_the_checkpoint_keeps_seed_settings_split_and_data(finished: Any, clusters: Dataset) -> None:
    checkpoint = Checkpoint.load(finished[0] / "last.pth")
    training = checkpoint.training
    assert training["epoch"] == 5
    assert training["settings"]["seed"] == 3
    train, validation = training["split"]["train"], training["split"]["validation"]
    assert sorted([*train.tolist(), *validation.tolist()]) == list(range(60))
    assert len(train) == 48
    assert training["split"]["same_source"] is True
    assert training["data"] == {"source": "arrays", "examples": 60, "fingerprint": clusters.fingerprint()}
    assert checkpoint.card.training["examples"] == 48
    assert checkpoint.card.producer == producer()
    expected = clusters.inputs.take(validation)
    assert torch.equal(checkpoint.samples, expected[:16])


def test_best_is_the_epoch_that_did_best_and_its_card_says_how_well(finished: Any, clusters: Dataset) -> None:
    folder, history = finished
    best = Checkpoint.load(folder / "best.pth")
    expected = max(history, key=lambda entry: (entry["val_acc"], -entry["val_loss"]))
    measured = best.card.training["measured"]
    assert measured == {name: value for name, value in expected.items() if name not in ("lr", "seconds")}
    positions = best.training["split"]["validation"]
    with torch.no_grad():
        found = best.network().eval()(clusters.inputs.take(positions)).argmax(1).numpy()
    assert (found == clusters.targets[positions.numpy()]).mean() == pytest.approx(measured["val_acc"])


def test_the_test_part_is_measured_with_the_best_epochs_weights(clusters: Dataset, tmp_path: Path) -> None:
    lines: list[str] = []
    model = nn("cls", tmp_path)
    model.set_seed(1)
    model.use(Source(clusters, validation=replace(clusters), test=replace(clusters)), batch_size=20)
    model.add("linear", size=3, activation="softmax")
    model.train(epochs=3, lr=0.05, filename=None, report=lines.append)
    best = Checkpoint.load(tmp_path / "best.pth")
    with torch.no_grad():
        found = best.network().eval()(clusters.inputs.take(torch.arange(60))).argmax(1).numpy()
    assert best.card.training["measured"]["test_acc"] == pytest.approx((found == clusters.targets).mean())
    assert lines[-1].startswith("test part, 60 examples, with the best epoch's weights: loss ")
    assert best.training["split"]["same_source"] is False


def test_a_metric_that_is_not_defined_leaves_plain_json_behind(tmp_path: Path) -> None:
    """R squared of a single validation example."""
    model = nn("reg", tmp_path)
    model.set_seed(0)
    model.load_dataset(np.arange(10.0).reshape(5, 2), np.arange(5.0), train_val_ratio=0.8)
    model.add("linear", size=1)
    history = model.train(epochs=1, lr=0.001, verbose=False)
    assert "val_r2" not in history[0]
    json.loads((tmp_path / "history.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    measured = Checkpoint.load(tmp_path / "best.pth").card.training["measured"]
    assert all(isinstance(value, int | float) and math.isfinite(value) for value in measured.values())


def test_run_json_says_what_produced_the_folder(finished: Any, clusters: Dataset) -> None:
    content = json.loads((finished[0] / "run.json").read_text())
    assert content["state"] == "finished"
    assert content["epochs"] == 5
    assert content["resumed_after"] is None
    assert content["started"] <= content["ended"]
    assert datetime.fromisoformat(content["ended"]).tzinfo is not None
    assert (content["seed"], content["device"], content["processes"]) == (3, "cpu", 1)
    assert content["data"] == {"source": "arrays", "examples": 60, "fingerprint": clusters.fingerprint()}
    assert set(content["versions"]) == {"onnx-edge-toolkit", "torch", "python", "numpy"}
    assert Settings.from_dict(content["settings"]).lr == 0.05
    assert shlex.split(content["command"]) == sys.argv


@pytest.mark.parametrize("ema", [None, 0.8])
def test_the_averaged_weights_are_what_is_kept(assemble: Assemble, tmp_path: Path, ema: float | None) -> None:
    model = assemble(tmp_path)
    model.train(epochs=3, lr=0.05, verbose=False, filename=None, ema=ema)
    last = Checkpoint.load(tmp_path / "last.pth")
    assert same(last.state_dict, model.model.cpu().state_dict())
    assert same(last.state_dict, last.training["network"]) == (ema is None)
    if ema is not None:
        kept = {name.removeprefix("module."): tensor for name, tensor in last.training["average"].items()}
        del kept["n_averaged"]
        assert same(last.state_dict, kept)


def test_files_left_behind_by_a_save_that_was_killed_are_removed(assemble: Assemble, tmp_path: Path) -> None:
    killed = [".last-abc123.pth", ".best-x_y.pth", ".history-1.json", ".run-q.json", ".history-2.csv"]
    others = [".hidden", ".last.pth", "notes.txt", ".other-abc.pth"]
    for name in (*killed, *others):
        (tmp_path / name).write_text("x")
    assemble(tmp_path).train(epochs=1, verbose=False, filename=None)
    left = {path.name for path in tmp_path.iterdir()}
    assert left.isdisjoint(killed)
    assert left.issuperset(others)


@pytest.mark.parametrize("save_every", [None, 2])
def test_last_pth_is_written_within_the_epoch_when_asked(
    assemble: Assemble, tmp_path: Path, save_every: int | None
) -> None:
    places: list[tuple[int, int]] = []

    def look(event: str, training: Any) -> None:
        if event == "batch_end" and (tmp_path / "last.pth").is_file():
            state = Checkpoint.load(tmp_path / "last.pth").training
            places.append((state["epoch"], state["batch"]))

    assemble(tmp_path).train(epochs=2, verbose=False, filename=None, save_every=save_every, callbacks=[look])
    assert places == ([(1, 0)] * 3 if save_every is None else [(0, 2), (1, 0), (1, 0), (1, 2)][:4])


# ---- continuing ----------------------------------------------------------------------------------------------------------


def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(
    finished: Any, stopped: Path, assemble: Assemble, tmp_path: Path
) -> None:
    folder, history = finished
    again = assemble(tmp_path).train(epochs=5, lr=0.05, verbose=False, filename=None, resume=stopped)
    assert numbers(again) == numbers(history)
    one, other = Checkpoint.load(folder / "last.pth"), Checkpoint.load(tmp_path / "last.pth")
    assert same(one.state_dict, other.state_dict)
    drawn = [checkpoint.training["processes"][0]["random"]["torch"] for checkpoint in (one, other)]
    assert torch.equal(*drawn)


def test_resuming_elsewhere_keeps_the_best_of_the_epochs_to_come(
    stopped: Path, assemble: Assemble, clusters: Dataset, tmp_path: Path
) -> None:
    """The weights of the best epoch before are not there, so best.pth cannot be of it; it must be there all the same."""
    history = assemble(tmp_path).train(epochs=5, lr=0.05, verbose=False, filename=None, resume=stopped)
    best = max(history[2:], key=lambda entry: (entry["val_acc"], -entry["val_loss"]))
    assert Checkpoint.load(tmp_path / "best.pth").card.training["measured"]["epoch"] == best["epoch"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 4}, "trained with seed=3; it cannot be resumed with seed=4"),
        ({"seed": None}, "trained with seed=3; it cannot be resumed with seed="),
        ({"train_val_ratio": 0.7}, "trained on another part of the data"),
        ({"optimizer": "sgd"}, "optimizer='adam'; it cannot be resumed with optimizer='sgd'"),
        ({"lr": 0.5}, "lr=0.05; it cannot be resumed with lr=0.5"),
        ({"loss": "NLLLoss"}, "loss='CrossEntropyLoss'; it cannot be resumed with loss='NLLLoss'"),
        ({"metrics": ["acc", "mae"]}, "cannot be resumed with metrics="),
        ({"batch_size": 5}, "batch_size=16; it cannot be resumed with batch_size=5"),
        ({"schedule": "cosine"}, "schedule='constant'; it cannot be resumed with"),
        ({"epochs": 1}, "The checkpoint holds 2 epochs already; epochs=1 was given."),
    ],
)
def test_what_would_make_another_training_is_refused(
    stopped: Path, assemble: Assemble, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    assembly = {name: value for name, value in changes.items() if name in ("seed", "train_val_ratio")}
    model = assemble(tmp_path, **assembly)
    model.add(optimizer=changes.get("optimizer", "ADAM"))
    rest = {name: value for name, value in changes.items() if name not in ("seed", "train_val_ratio", "optimizer")}
    with pytest.raises(CheckpointError) as caught:
        model.train(**{"epochs": 5, "lr": 0.05, "verbose": False, "resume": stopped, **rest})
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_other_data_or_another_network_is_refused(
    stopped: Path, assemble: Assemble, clusters: Dataset, tmp_path: Path
) -> None:
    model = assemble(tmp_path)
    model.add("linear", size=3)
    with pytest.raises(CheckpointError, match="holds another network than the one assembled here"):
        model.train(epochs=5, lr=0.05, verbose=False, resume=stopped)
    changed = clusters.inputs.raw() + np.float32(1)  # type: ignore[operator]
    other = nn("cls", tmp_path)
    other.set_seed(3)
    other.load_dataset(changed, clusters.targets, batch_size=16, train_val_ratio=0.8)
    other.add("linear", size=8, activation="relu")
    other.add("dropout", p=0.4)
    other.add("linear", size=3, activation="softmax")
    with pytest.raises(CheckpointError, match=r"The data has changed since the checkpoint was written \(arrays: "):
        other.train(epochs=5, lr=0.05, verbose=False, resume=stopped)


def test_a_network_that_was_only_saved_has_no_training_to_continue(assemble: Assemble, tmp_path: Path) -> None:
    assemble(tmp_path).save(tmp_path / "saved.pth")
    with pytest.raises(CheckpointError, match="holds no training to continue, only a network"):
        assemble(tmp_path).train(epochs=2, verbose=False, resume=tmp_path / "saved.pth")


@pytest.mark.parametrize("key", ["epoch", "data", "split", "settings"])
@pytest.mark.parametrize("junk", [None, "x", {"a": 1}, torch.ones(2)])
def test_a_training_changed_by_hand_is_refused(
    stopped: Path, assemble: Assemble, tmp_path: Path, key: str, junk: Any
) -> None:
    content = torch.load(stopped, weights_only=True)
    changed = copy.deepcopy(content)
    changed["training"][key] = junk
    torch.save(changed, tmp_path / "changed.pth")
    with pytest.raises(CheckpointError, match="damaged or changed by hand"):
        assemble(tmp_path / "run").train(epochs=5, lr=0.05, verbose=False, resume=tmp_path / "changed.pth")


@pytest.fixture(scope="module")
def restless(assemble: Assemble, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, float]]]:
    """A training at such a rate that its best epoch is not its last one."""
    folder = tmp_path_factory.mktemp("restless")
    history = assemble(folder, seed=8).train(epochs=4, lr=0.2, verbose=False, filename=None)
    best = Checkpoint.load(folder / "best.pth").card.training["measured"]["epoch"]
    assert best < 3
    return folder, history


@pytest.mark.parametrize("stop", range(2, 8))
def test_a_training_stopped_between_any_two_files_is_continued_with_its_best(
    restless: Any, assemble: Assemble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    folder, history = restless
    whole, calls = Checkpoint.save, []

    def stopping(self: Checkpoint, path: Any) -> None:
        calls.append(Path(path).name)
        if len(calls) == stop:
            raise KeyboardInterrupt
        whole(self, path)

    monkeypatch.setattr(Checkpoint, "save", stopping)
    model = assemble(tmp_path, seed=8)
    with contextlib.suppress(KeyboardInterrupt):
        model.train(epochs=4, lr=0.2, verbose=False, filename=None)
    monkeypatch.undo()
    if (tmp_path / "last.pth").exists():
        again = assemble(tmp_path, seed=8).train(
            epochs=4, lr=0.2, verbose=False, filename=None, resume=tmp_path / "last.pth"
        )
    else:  # stopped inside of the first epoch's files
        again = assemble(tmp_path, seed=8).train(epochs=4, lr=0.2, verbose=False, filename=None)
    assert numbers(again) == numbers(history)
    for name in ("last.pth", "best.pth"):
        assert same(Checkpoint.load(folder / name).state_dict, Checkpoint.load(tmp_path / name).state_dict)


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5])
def test_ctrl_c_keeps_the_place_and_a_resumed_training_is_the_uninterrupted_one(
    finished: Any, assemble: Assemble, tmp_path: Path, batch: int
) -> None:
    left = batch

    def press(event: str, _training: Any) -> None:
        nonlocal left
        left -= event == "batch_end"
        if event == "batch_end" and left == 0:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(TrainingInterrupted) as caught:
        assemble(tmp_path).train(epochs=5, lr=0.05, verbose=False, callbacks=[press])
    assert (caught.value.epoch, caught.value.batch) == divmod(batch, 3)
    assert json.loads((tmp_path / "run.json").read_text())["state"] == "interrupted"
    assert not (tmp_path / "curves.png").exists()
    again = assemble(tmp_path).train(
        epochs=5, lr=0.05, verbose=False, filename=None, resume=tmp_path / "last.pth", save_every=1
    )
    folder, history = finished
    assert numbers(again) == numbers(history)
    for name in ("last.pth", "best.pth"):
        assert same(Checkpoint.load(folder / name).state_dict, Checkpoint.load(tmp_path / name).state_dict)
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["state"], record["resumed_after"]) == ("finished", batch // 3)


def test_another_trainings_best_is_not_taken_for_this_ones(stopped: Path, assemble: Assemble, tmp_path: Path) -> None:
    assemble(tmp_path).train(epochs=4, lr=0.2, verbose=False, filename=None)
    assert Checkpoint.load(tmp_path / "best.pth").training["history"] != Checkpoint.load(stopped).training["history"]
    history = assemble(tmp_path).train(epochs=3, lr=0.05, verbose=False, filename=None, resume=stopped)
    best = Checkpoint.load(tmp_path / "best.pth")
    assert best.training["history"] == history
    assert best.card.training["measured"]["epoch"] == 2


def test_a_finished_training_cannot_be_continued_elsewhere_without_more_epochs(
    stopped: Path, assemble: Assemble, tmp_path: Path
) -> None:
    with pytest.raises(
        CheckpointError, match=r"complete after 2 epochs, and .* does not hold its files\. Resume it in its own"
    ):
        assemble(tmp_path).train(epochs=2, lr=0.05, verbose=False, filename=None, resume=stopped)


def test_early_stopping_ends_a_run_in_good_order(assemble: Assemble, tmp_path: Path) -> None:
    asked = {"epochs": 30, "lr": 0.3, "verbose": False, "filename": None, "early_stopping": 2}
    history = assemble(tmp_path).train(**asked)
    assert 3 <= len(history) < 30
    (tmp_path / "curves.png").unlink()
    again = assemble(tmp_path).train(**asked, resume=tmp_path / "last.pth")
    assert again == history
    assert (tmp_path / "curves.png").is_file()


def test_a_callback_that_stops_at_the_very_beginning_is_told_of(assemble: Assemble, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="stopped the training before its first epoch"):
        assemble(tmp_path).train(epochs=2, verbose=False, callbacks=[lambda event, training: event == "train_begin"])


def test_a_run_of_every_task_finishes_without_a_confusion_matrix_where_there_is_none(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3, 4, 4)).astype(np.float32)
    vector, picture = ArrayInput("input", (4,)), ArrayInput("input", (1, 4, 4))
    labels = (rows[:, 1, 0, :2] > 0).astype(np.float32)
    made: dict[str, tuple[Dataset, LayerSpec, dict[str, Any]]] = {
        "multilabel": (
            Dataset("multilabel", vector, RowStore(rows[:, 0, 0]), labels, ("a", "b"), "t"),
            LayerSpec.parse("linear", {"size": 2}, "sigmoid", 1),
            {"loss": "BCELoss", "metrics": ("acc",)},
        ),
        "embedding": (
            Dataset("embedding", vector, RowStore(rows[:, :, 0]), np.zeros(40, np.float32), (), "t", 3),
            LayerSpec.parse("linear", {"size": 5}, None, 1),
            {"loss": "TripletMarginLoss", "metrics": ("recall_at",)},
        ),
        "dense": (
            Dataset("dense", picture, RowStore(rows[:, :1]), (rows[:, 0] > 0).astype(np.int64), ("no", "yes"), "t"),
            LayerSpec.parse("conv2d", {"size": (1, 2), "kernel_size": 1}, None, 1),
            {"loss": "CrossEntropyLoss", "metrics": ("acc", "iou")},
        ),
    }
    for task, (data, layer, chosen) in made.items():
        spec, _ = check(NetworkSpec(data.shape, (layer,)))
        part = [
            Batches(data, np.arange(40)[piece], batch_size=8) for piece in (slice(24), slice(24, 32), slice(32, 40))
        ]
        asked = Settings(optimizer="adam", seed=0, epochs=2, batch_size=8, **chosen)
        assert len(Run(spec, build(spec), *part, asked, tmp_path / task).execute()) == 2
        best = Checkpoint.load(tmp_path / task / "best.pth")
        assert best.card.task == task
        assert best.samples.shape == (8, *data.shape)
        assert "test_loss" in best.card.training["measured"]
        assert not (tmp_path / task / "confusion.png").exists()
        assert (tmp_path / task / "curves.png").is_file()


def test_a_training_that_fails_leaves_the_last_good_epoch(tmp_path: Path) -> None:
    """A rate that grows until the loss is no number: what was saved before stays usable."""
    data = load_arrays(np.random.default_rng(0).random((20, 3)) * 100, np.arange(20.0), task="regression")
    model = nn("reg", tmp_path)
    model.set_seed(0)
    model.use(Source(data), train_val_ratio=1.0, batch_size=20)
    model.add("linear", size=1)
    model.add(optimizer="sgd")
    with pytest.raises(SpecError, match="Use a smaller learning rate"):
        model.train(lr=1.0, epochs=50, verbose=False)
    assert Checkpoint.load(tmp_path / "last.pth").training["epoch"] >= 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
