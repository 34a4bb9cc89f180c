"""A task that is registered here alone, of two inputs and two outputs: exported, compared, predicted and drawn."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import runtime
from exporters import check, compare_networks, export, plan_export
from exporters.subject.assembly import make_subject
from runtime.card import ROLES, TASKS, ImageInput, ModelCard, OutputCard, TableInput
from runtime.commands.predict import predict
from runtime.drawing.caption import captioned
from runtime.errors import CardError, CheckFailed, SpecError
from runtime.results import Decoder, Failure, find_decoder, register_decoder, registry
from runtime.results.formatting import prediction_rows, prediction_text


@dataclass(frozen=True)
class Marks:
    """Points (2, 2) in a picture, and how many of them hold."""

    points: np.ndarray
    count: float
    source: str | None = None

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        return {"source": self.source, "points": self.points.tolist(), "count": self.count}

    def text_cells(self, top: int) -> tuple[Sequence[str], Sequence[str]]:
        return ("count", "first"), (f"{self.count:.3f}", " ".join(f"{value:.2f}" for value in self.points[0]))

    def csv_cells(self, top: int) -> tuple[Sequence[str], Sequence[str]]:
        return ("count",), (repr(self.count),)

    def draw(self, picture: Image.Image) -> Image.Image:
        return captioned(picture, [f"{self.count:.1f} marks"])


class MarksDecoder(Decoder):
    """Marks in no order: (N, 2, 2), and their number (N, 1)."""

    name = "marks"
    roles = ("marks", "count")

    def decode(self, outputs: Any, card: ModelCard, sources: Sequence[str | None]) -> list[Marks]:
        both = zip(outputs["marks"], outputs["count"], sources, strict=True)
        return [Marks(points, float(count[0]), source) for points, count, source in both]

    def align(self, reference: Any, outputs: Any) -> Any:
        """Points by their first number."""
        order = {name: np.argsort(arrays["marks"][:, :, :1], 1) for name, arrays in
                 (("reference", reference), ("found", outputs))}  # fmt: skip
        back = np.argsort(order["reference"], 1)
        sorted_points = np.take_along_axis(outputs["marks"], order["found"], 1)
        return {**outputs, "marks": np.take_along_axis(sorted_points, back, 1)}

    def agreement(self, reference: Any, outputs: Any, card: ModelCard) -> np.ndarray:
        same: np.ndarray = np.rint(reference["count"]) == np.rint(outputs["count"])
        return same

    def summary(self, card: ModelCard) -> str:
        return "A network that marks points."


class Network(torch.nn.Module):
    """picture (N, 3, 8, 8), row (N, 2) -> two points and a number; `turned` gives the points the other way round."""

    def __init__(self, turned: bool = False, more: float = 0.0) -> None:
        super().__init__()
        self.turned, self.more = turned, more

    def forward(self, picture: torch.Tensor, row: torch.Tensor) -> dict[str, torch.Tensor]:
        light = picture.mean((2, 3))[:, :2]
        points = torch.stack([light + row, light - row - 3], 1)
        return {"marks": points.flip(1) if self.turned else points, "count": light[:, :1] * 4 + self.more}


CARDS = (ImageInput("picture", "RGB", (8, 8), resize=(8, 8)), TableInput("row", ("x", "y"), mean=(1.0, 1.0)))
GREY, WHITE = np.full((10, 12, 3), 51, np.uint8), np.full((8, 8, 3), 255, np.uint8)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
    known = list(TASKS), list(ROLES)
    register_decoder(MarksDecoder())
    yield
    TASKS[:], ROLES[:] = known


def example() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.rand(6, 3, 8, 8), torch.rand(6, 2)


def exported(path: Path, module: torch.nn.Module, **settings: Any) -> Path:
    export(module, path, example=example(), task="marks", inputs=CARDS, simplifier="none", **settings)
    return path


def test_its_outputs_are_those_of_the_module_with_the_roles_that_it_says(tmp_path: Path) -> None:
    from exporters.settings import ExportSettings

    settings = ExportSettings(task="marks", inputs=CARDS)
    subject = make_subject(Network(), example=example(), settings=settings)
    assert subject.card.outputs == (OutputCard("marks", "marks"), OutputCard("count", "count"))
    facts, _ = plan_export(Network(), tmp_path / "m.onnx", example=example(), task="marks", inputs=CARDS)
    assert (facts["task"], facts["outputs"]) == ("marks", ["marks", "count"])


def test_a_file_of_it_is_verified_and_predicted_from_pictures_and_rows(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    path = exported(tmp_path / "model.onnx", Network(), report=page, bundle=tmp_path / "bundle")
    assert "A network that marks points." in page.read_text()
    model = runtime.load(path, "cpu")
    assert model.card is not None and model.card.parity["labels_agree"] == 1.0
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    found = model.predict({"picture": tmp_path / "grey.png", "row": [1.5, 3.0]})
    assert isinstance(found, Marks)
    assert (found.source, found.count) == (str(tmp_path / "grey.png"), pytest.approx(0.8))
    np.testing.assert_allclose(found.points, [[0.7, 2.2], [-3.3, -4.8]], atol=1e-6)
    many = {"picture": [GREY, WHITE], "row": [[1, 1], [2, 2]]}
    listed = [{"picture": GREY, "row": [1, 1]}, {"picture": WHITE, "row": [2, 2]}]
    np.savez(tmp_path / "both.npz", picture=np.stack([WHITE, WHITE]), row=np.array([[1, 1], [2, 2.0]]))
    for data, counts in ((many, [0.8, 4]), (listed, [0.8, 4]), (tmp_path / "both.npz", [4, 4])):
        results = model.predict(data)
        assert [result.count for result in results] == pytest.approx(counts)
        assert [result.points[1, 0] for result in results] == pytest.approx([counts[0] / 4 - 3, counts[1] / 4 - 4])
    results = model.predict({"picture": [GREY, b"broken"] * 20, "row": [[1, 1]] * 40}, on_error="keep")
    assert [isinstance(result, Failure) for result in results] == [False, True] * 20


def test_its_results_are_written_and_drawn(tmp_path: Path) -> None:
    path = exported(tmp_path / "model.onnx", Network())
    np.savez(tmp_path / "both.npz", picture=np.stack([WHITE, GREY[:8, :8]]), row=np.array([[1, 1], [2, 2.0]]))
    model = runtime.load(path, "cpu")
    results = list(model.stream(model.items([tmp_path / "both.npz"])))
    assert prediction_text(results, 5).splitlines()[2].split()[2:] == ["4.000", "1.00", "1.00"]
    assert next(csv.reader(io.StringIO(prediction_rows(results, 5)))) == ["input", "count"]
    assert json.loads(json.dumps([result.to_dict() for result in results]))[0]["points"] == [[1, 1], [-2, -2]]
    assert results[0].draw(Image.fromarray(WHITE)).size > (8, 8)
    done = CliRunner().invoke(
        predict, [str(path), str(tmp_path / "both.npz"), "--picture", str(tmp_path / "drawn.png")]
    )
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, f"wrote {tmp_path / 'drawn.png'}")
    with Image.open(tmp_path / "drawn.png") as page:
        assert page.size == (12 + 2 * 236, 12 + 270)


def test_two_files_of_it_are_compared_in_the_order_that_it_says(tmp_path: Path) -> None:
    first = exported(tmp_path / "first.onnx", Network())
    found = check(first, exported(tmp_path / "second.onnx", Network(turned=True)))
    assert found.agreement is not None and found.agreement.share == 1.0
    assert check(first, Network(), example=example()).passed
    with pytest.raises(CheckFailed, match="'count'"):
        check(first, exported(tmp_path / "third.onnx", Network(more=1.0)))
    other = compare_networks(first, tmp_path / "third.onnx").agreement
    assert other is not None and other.share == 0.0


def test_its_precision_is_measured_by_all_of_its_outputs(tmp_path: Path) -> None:
    from exporters.precision.quality import measure_name, measured_outputs, quality

    card = ModelCard("marks", CARDS, (OutputCard("marks", "marks"), OutputCard("count", "count")))
    assert measured_outputs(card) == ("marks", "count")
    assert measure_name(card, labelled=False) == "R² against fp32"
    arrays = {"marks": np.random.default_rng(0).random((5, 2, 2)), "count": np.arange(5.0)[:, None]}
    turned = {**arrays, "marks": arrays["marks"][:, ::-1]}
    found = quality(card, arrays, turned, None)
    assert (found.right, found.alike, found.error) == (None, pytest.approx(100.0), 0.0)


def test_without_its_decoder_its_name_and_its_roles_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_decoder("marks").roles == ("marks", "count")
    TASKS.remove("marks")
    ROLES.remove("count")
    monkeypatch.delitem(registry._REGISTERED, "marks")
    with pytest.raises(SpecError, match="The task 'marks' was given"):
        find_decoder("marks")
    with pytest.raises(CardError, match="The card's task is 'marks'"):
        ModelCard("marks", ())
    with pytest.raises(CardError, match="has the role 'count'"):
        OutputCard("count", "count")
