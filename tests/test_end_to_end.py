"""README's first command, whole, and what it promises."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from warm_processes import TOOLKIT, WarmProcesses

import runtime
from runtime.picture_index import open_picture_index
from toolkit.training.checkpoints.checkpoint import Checkpoint


@pytest.mark.slow
def test_the_demo_reaches_its_accuracy_with_a_verified_file(demo: tuple[Path, dict]) -> None:
    folder, facts = demo
    assert len(facts["steps"]) == 8
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
def test_a_second_demo_takes_the_place_of_the_first(
    demo: tuple[Path, dict], warm: WarmProcesses, tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(demo[0], folder)
    done = warm.toolkit("demo", "-o", folder, "--epochs", 2)
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads((folder / "demo.json").read_text())
    assert len(facts["steps"]) == 8
    assert f"look at {folder / 'report.html'} in a browser" in done.stdout
    assert Checkpoint.load(folder / "training" / "last.pth").training["epoch"] == 2


def test_the_demo_leaves_a_folder_of_someone_else_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = subprocess.run([TOOLKIT, "demo", "-o", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not empty, and no demo made it" in done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]
