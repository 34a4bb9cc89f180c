"""A task written here alone: ragged targets, two inputs, two outputs. One class on each floor, and the whole road works."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import runtime
from cli import main
from exporters import export
from runtime.card import ROLES, TASKS, ArrayInput, ImageInput
from runtime.drawing.caption import captioned
from runtime.results import Decoder, register_decoder, registry
from toolkit import nn
from toolkit.data.dataset import Dataset
from toolkit.data.ragged_targets import RaggedTargets
from toolkit.data.source import Source
from toolkit.data.stores import JoinedStore, PixelStore, RowStore
from toolkit.tasks import registry as tasks
from toolkit.tasks.task import Task


@dataclass(frozen=True)
class Marks:
    points: np.ndarray  # (n, 2), none to three
    source: str | None = None

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        return {"source": self.source, "points": self.points.tolist()}

    def text_cells(self, top: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return ("marks",), (str(len(self.points)),)

    csv_cells = text_cells

    def draw(self, picture: Image.Image) -> Image.Image:
        return captioned(picture, [f"{len(self.points)} marks"])


class MarksDecoder(Decoder):
    name, roles = "marks", ("places", "score")

    def decode(self, outputs: Any, card: Any, sources: Any) -> list[Marks]:
        both = zip(outputs["places"], outputs["score"], sources, strict=True)
        return [Marks(places[score > 0], source) for places, score, source in both]

    def agreement(self, reference: Any, outputs: Any, card: Any) -> np.ndarray:
        return (reference["score"] > 0) == (outputs["score"] > 0)


class MarksTask(Task):
    name = "marks"

    def loss_function(self, outputs: Any, targets: Any) -> torch.Tensor:
        total = outputs["score"].sum() * 0
        for places, score, real in zip(outputs["places"], outputs["score"], targets, strict=True):
            there = (torch.arange(len(score)) < len(real)).float()
            total = total + torch.nn.functional.binary_cross_entropy_with_logits(score, there)
            total = total + (places[: len(real)] - real).square().sum() / 8
        return total / len(targets)


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = torch.nn.Linear(16 + 3, 32), torch.nn.Linear(32, 3 * 3)

    def forward(self, picture: torch.Tensor, row: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.head(self.features(torch.cat([picture.flatten(1), row], 1)).relu()).reshape(-1, 3, 3)
        return {"places": found[:, :, :2], "score": found[:, :, 2]}


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for place, name in ((registry, "_REGISTERED"), (tasks, "_REGISTERED")):
        monkeypatch.setattr(place, name, dict(getattr(place, name)))
    known = list(TASKS), list(ROLES)
    register_decoder(MarksDecoder())
    tasks.register_task(MarksTask())
    yield
    TASKS[:], ROLES[:] = known


def test_the_whole_road(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pixels, rows = random.integers(0, 256, (96, 1, 4, 4), np.uint8), random.normal(size=(96, 3)).astype(np.float32)
    marks = [np.tile(rows[index, :2], (index % 4, 1)) for index in range(96)]
    rows[:, 2] = [len(places) for places in marks]
    cards = ImageInput("picture", "grayscale", (4, 4), resize=(4, 4)), ArrayInput("row", (3,))
    store = JoinedStore([PixelStore(pixels, cards[0]), RowStore(rows)])
    model = nn("marks", tmp_path)
    model.set_seed(0)
    model.use(
        Source(Dataset("marks", cards[0], store, RaggedTargets(marks), (), "toy", further=cards[1:])), batch_size=16
    )
    model.add(Network)
    history = model.train(epochs=60, lr=0.01, verbose=False)
    assert history[-1]["val_loss"] < 0.3 * history[0]["val_loss"]
    file, data = tmp_path / "marks.onnx", str(tmp_path / "some.npz")
    assert export(tmp_path / "last.pth", file).parity.batch_sizes == (1, 2, 5)
    inputs = {"picture": list(pixels[:, 0]), "row": rows}
    found = runtime.load(file, "cpu").predict(inputs)
    assert [len(result.points) for result in found] == (model.inference(inputs)["score"] > 0).sum(1).tolist()
    assert sum(len(result.points) == len(places) for result, places in zip(found, marks, strict=True)) > 80
    np.savez(data, picture=pixels[:5, 0], row=rows[:5])
    words = CliRunner().invoke(main, ["predict", str(file), data, "--picture", str(tmp_path / "drawn.png")])
    assert [line.split()[-1] for line in words.stdout.splitlines()[2:7]] == [
        str(len(entry.points)) for entry in found[:5]
    ]
    assert (tmp_path / "drawn.png").read_bytes().startswith(b"\x89PNG")
    judged = CliRunner().invoke(main, ["check", str(file), str(tmp_path / "last.pth"), "--data", data, "--json"])
    assert json.loads(judged.stdout)["agreement"]["share"] == 1.0, judged.output
