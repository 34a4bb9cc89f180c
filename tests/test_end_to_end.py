"""README's first command, whole, and what it promises."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import runtime
from runtime.picture_index import open_picture_index
from toolkit.training.checkpoints.checkpoint import Checkpoint

TOOLKIT = Path(sys.executable).with_name("toolkit")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("end") / "demo"
    done = subprocess.run([TOOLKIT, "demo", "-o", folder, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.mark.slow
def test_the_demo_reaches_its_accuracy_with_a_verified_file(demo: tuple[Path, dict]) -> None:
    folder, facts = demo
    assert facts["held_out_accuracy"] >= 0.97
    assert facts["agree_with_torch"] == facts["held_out_pictures"] == 359
    assert facts["worst_difference"] < 1e-4
    assert facts["neighbour_share"] >= 0.9
    card = runtime.load(folder / "model.onnx").card
    assert card.parity["labels_agree"] == 1.0
    assert [output.name for output in card.outputs] == ["probabilities", "embedding"]


@pytest.mark.slow
def test_the_file_says_what_torch_says_on_every_held_out_picture(demo: tuple[Path, dict]) -> None:
    from toolkit import nn

    folder, _ = demo
    pictures = folder / "pictures" / "test"
    found = runtime.load(folder / "model.onnx").predict(pictures)
    network = nn("cls")
    expected = network.inference(str(pictures), checkpoint=folder / "training" / "last.pth")
    assert [entry.index for entry in found] == expected.argmax(1).tolist()
    for entry, row in zip(found, expected, strict=True):
        assert abs(entry.probabilities - row).max() < 1e-5


@pytest.mark.slow
def test_the_report_needs_no_other_file(demo: tuple[Path, dict]) -> None:
    folder, facts = demo
    text = (folder / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(sources) > 100
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert f"{facts['held_out_accuracy'] * 100:.2f} %" in text


@pytest.mark.slow
def test_everything_the_demo_promises_is_on_disk(demo: tuple[Path, dict]) -> None:
    folder, facts = demo
    for name in (
        "model.onnx",
        "report.html",
        "neighbours.png",
        "demo.json",
        "training/curves.png",
        "training/confusion.png",
    ):
        assert (folder / name).stat().st_size > 0, name
    assert json.loads((folder / "demo.json").read_text())["held_out_accuracy"] == facts["held_out_accuracy"]
    assert Checkpoint.load(folder / "training" / "best.pth").training["settings"]["seed"] == 0
    with open_picture_index(folder / "index") as index:
        assert len(index) == facts["index_vectors"] == 1438


@pytest.mark.slow
def test_a_second_demo_takes_the_place_of_the_first(demo: tuple[Path, dict]) -> None:
    folder, _ = demo
    done = subprocess.run(
        [TOOLKIT, "demo", "-o", folder, "--epochs", "2", "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["steps"]) == 8


def test_the_demo_leaves_a_folder_of_someone_else_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = subprocess.run([TOOLKIT, "demo", "-o", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not empty, and no demo made it" in done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]
