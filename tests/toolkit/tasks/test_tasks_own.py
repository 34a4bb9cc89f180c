"""A task of a user's own: everything from its data to its checkpoint works without a line elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from runtime.errors import InputError, SpecError
from toolkit import nn
from toolkit.data import Dataset, load_arrays, load_csv, load_frame, load_images, load_sequences, split
from toolkit.data.augmentation import Augmentation
from toolkit.data.batching.batches import Batches
from toolkit.data.inspection.sheet import data_sheet
from toolkit.data.ragged_targets import RaggedTargets
from toolkit.tasks.registry import register_task
from toolkit.tasks.task import Task
from toolkit.training.metrics import METRICS, MetricEntry, Outputs, make_meter
from toolkit.training.metrics.outputs import measure
from toolkit.training.settings import Settings

ROWS = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
PLACES = ROWS[:, :2] + 1


class Marks(Task):
    """A place (x, y) in each input, in the simplest form: a name and a loss."""

    name = "marks"

    def loss_function(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs - targets).square().mean()


class Distances:
    """Meter of the mean distance, which keeps sums alone."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, output: Any, target: Any) -> None:
        for number, row in enumerate(target):
            self.total += float((output["centre"][number] - row.mean(0)).norm())
        self.count += len(target)

    def state(self) -> dict[str, Any]:
        return {"total": self.total, "count": self.count}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.total, self.count = float(state["total"]), int(state["count"])

    def measure(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        count = sum(part["count"] for part in parts)
        return {"distance": sum(part["total"] for part in parts) / count} if count else {}


class ManyMarks(Task):
    """Any number of places in each input, learnt by a network of named outputs."""

    name = "many marks"
    metrics = default_metrics = ("distance",)

    def read_targets(self, y: Any, labels: Sequence[str] | None) -> tuple[Any, tuple[str, ...]]:
        return RaggedTargets(y), ()

    def loss_function(self, outputs: Any, targets: Any) -> torch.Tensor:
        centres = torch.stack([marks.mean(0) for marks in targets])
        return (outputs["centre"] - centres).square().mean() + outputs["spread"].square().mean()

    def meter(self, metrics: tuple[Any, ...]) -> Distances | None:
        return Distances() if metrics else None


class TwoOutputs(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = self.layer(inputs)
        return {"centre": outputs[:, :2], "spread": outputs[:, 2:]}


@pytest.fixture(autouse=True)
def tasks() -> None:
    register_task(Marks())
    register_task(ManyMarks())


def trained(folder: Path, epochs: int = 4, **settings: Any) -> tuple[nn, list[dict[str, float]]]:
    model = nn("marks", folder)
    model.set_seed(0)
    model.load_dataset(ROWS, PLACES, train_val_ratio=0.75)
    model.add("linear", size=(4, 2))
    return model, model.train(epochs=epochs, lr=0.1, verbose=False, **settings)


def test_it_is_trained_with_its_own_loss_saved_and_resumed(tmp_path: Path) -> None:
    model, history = trained(tmp_path / "whole")
    assert model.task == "marks"
    assert history[-1]["val_loss"] < history[0]["val_loss"]
    assert set(history[0]) == {"epoch", "loss", "val_loss", "lr", "seconds"}
    assert model.card is not None and (model.card.task, model.card.labels) == ("raw", ())
    assert model.print_result(model.inference(ROWS[:2]))[1].keys() == {"预测值"}
    model.load(tmp_path / "whole" / "last.pth")
    assert model.task == "marks"
    _, longer = trained(tmp_path / "longer", 6, resume=tmp_path / "whole" / "last.pth")
    assert longer[:4] == history
    assert longer[5]["val_loss"] < longer[3]["val_loss"]
    with pytest.raises(
        SpecError, match=r"does not fit marks.*Give a function of \(outputs, targets\), or leave loss out"
    ):
        model.train(loss="mse")
    with pytest.raises(SpecError, match=r"The metric 'acc' does not fit marks. Use one of: none"):
        model.train(metrics=["acc"])
    with pytest.raises(SpecError, match="class_weights was given for marks"):
        model.train(class_weights="balanced")


def test_a_task_without_any_loss_asks_for_one(tmp_path: Path) -> None:
    register_task(type("Bare", (Task,), {"name": "bare"})())
    model = nn("bare", tmp_path)
    model.load_dataset(ROWS, PLACES)
    model.add("linear", size=(4, 2))
    with pytest.raises(SpecError, match=r"The task 'bare' has no loss of its own. Give one: train\(loss="):
        model.train()
    history = model.train(epochs=1, loss=torch.nn.functional.mse_loss, verbose=False)
    assert len(history) == 1


def test_ragged_targets_named_outputs_and_a_meter_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "distance", MetricEntry(lambda *_: 0.0, higher=False))
    random = np.random.default_rng(1)
    marks = [place + random.normal(0, 0.01, (1 + number % 3, 2)) for number, place in enumerate(PLACES)]
    model = nn("many marks", tmp_path)
    model.set_seed(0)
    model.load_dataset(ROWS, [row.astype(np.float32) for row in marks], train_val_ratio=0.75)
    model.add(TwoOutputs())
    history = model.train(epochs=5, lr=0.1, verbose=False, monitor="val_distance")
    assert history[-1]["val_distance"] < history[0]["val_distance"]
    assert history[-1]["distance"] < history[0]["distance"]


def test_its_targets_are_taken_as_they_are() -> None:
    data = load_arrays(ROWS, PLACES, task="marks", labels=["x", "y"])
    assert data.targets is not None and np.array_equal(data.targets, PLACES) and data.targets.dtype == PLACES.dtype
    assert (data.labels, data.describe()) == (("x", "y"), "24 examples of shape 4, targets x, y")
    assert load_arrays(ROWS, PLACES, task="marks").describe().endswith(", one target each")
    with pytest.raises(InputError, match=r"numbers \(N, ...\) are expected for marks"):
        load_arrays(ROWS, ["a"] * 24, task="marks")
    parts = split(data, 0.75)
    assert sorted([*parts.train, *parts.validation]) == list(range(24))
    with pytest.raises(InputError, match="sampling='balanced' draws classes"):
        Batches(data, sampling="balanced")


def test_every_reader_reads_them(tmp_path: Path) -> None:
    table = tmp_path / "marks.csv"
    lines = [",".join(f"{number:.3f}" for number in (*row, *place)) for row, place in zip(ROWS, PLACES, strict=True)]
    table.write_text("\n".join(["a,b,c,d,x,y", *lines]), encoding="utf-8")
    read = load_csv(table, task="marks", label=["x", "y"])
    assert read.labels == ("x", "y")
    np.testing.assert_allclose(read.targets, PLACES, atol=1e-3)
    columns = {name: ROWS[:, number] for number, name in enumerate("abcd")}
    frame = load_frame({**columns, "x": PLACES[:, 0], "y": PLACES[:, 1]}, ["x", "y"], task="marks")
    assert (frame.task, frame.labels) == ("marks", ("x", "y"))
    sequences = load_sequences([ROWS[:3], ROWS[:5]], PLACES[:2], task="marks", length=4)
    assert sequences.targets.shape == (2, 2)


def test_pictures_are_shown_and_not_changed_at_random(tmp_path: Path) -> None:
    (tmp_path / "any").mkdir()
    for number in range(4):
        Image.fromarray(np.full((8, 8), 40 * number, np.uint8)).save(tmp_path / "any" / f"{number}.png")
    pictures = load_images(tmp_path)
    data = Dataset("marks", pictures.card, pictures.inputs, PLACES[:4], (), "marks")
    assert data_sheet(data).startswith(b"\x89PNG")
    with pytest.raises(InputError, match="moved and changed, but not their targets"):
        Augmentation.from_setting({"RandomRotation": 10}).prepare(data)


def test_the_meter_for_arrays_is_the_default() -> None:
    assert isinstance(make_meter((), "marks"), Outputs)
    assert isinstance(make_meter(("distance",), "many marks"), Distances)
    whole, first, second = (Outputs(("acc",), "classification") for _ in range(3))
    outputs, targets = torch.rand(9, 3), torch.arange(9) % 3
    whole.add(outputs, targets)
    first.add(outputs[:4], targets[:4])
    second.add(outputs[4:], targets[4:])
    empty = Outputs(("acc",), "classification")
    expected = measure(("acc",), outputs, targets, "classification")
    assert whole.measure([whole.state()]) == expected
    assert whole.measure([first.state(), empty.state(), second.state()]) == expected
    assert empty.measure([empty.state()]) == {}


def test_its_settings_are_read_back() -> None:
    model = nn("marks")
    model.load_dataset(ROWS, PLACES)
    model.add("linear", size=(4, 2))
    planned = model.plan()
    assert (planned.loss, planned.metrics) == ("objective", ())
    assert Settings.from_dict(planned.to_dict()) == planned
