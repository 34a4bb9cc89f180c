"""The model card in Markdown: what it says is so, and what it tells to run runs."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from exporters.delivery.model_page import measure_speed, model_page, write_report
from exporters.pipeline import export
from exporters.report import Report
from exporters.settings import ExportSettings
from runtime.card import ArrayInput, ModelCard
from runtime.errors import CheckFailed, InputError
from runtime.session.bench import Timing
from toolkit.data.readers.digits import digit_pictures

SECTIONS = [
    *("At a glance", "Data and training", "Accuracy", "How it was verified", "Speed", "Inputs and outputs"),
    *("How to run it", "How it was made", "Limits and notes"),
]
SPEED = [(1, Timing(1, 10, 1e-3, 2e-3, 3e-3, 1000.0)), (None, Timing(8, 10, 4e-3, 5e-3, 6e-3, 2000.0))]


def tables(page: str) -> list[list[str]]:
    """The lines of each table."""
    return [block.splitlines() for block in page.split("\n\n") if block.startswith("|")]


def test_the_page_says_what_is_known(exported: tuple[Report, list[str]]) -> None:
    report = exported[0]
    page = model_page(report, SPEED)
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == SECTIONS
    assert page.startswith("# model\n\nA network that tells which of 10 classes an input is.")
    for words in (
        "on its validation part, after epoch 2",
        "the same 16 inputs at: batch sizes 1, 2, 5",
        "| `probabilities` |",
        "|                    1 |     1 | 1.0 ms |          2.0 ms |         1,000 |",
        "| onnxruntime's choice |     8 |",
        "grayscale, resize to 8 x 8",
        f"opset {report.opset}, IR version {report.ir_version}",
        "onnxruntime>=",
        "| examples ",
    ):
        assert words in page
    for lines in tables(page):  # aligned, so that it reads well unrendered
        assert len({len(line) for line in lines}) == 1
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "None" not in page.replace("run(None,", "")


def test_what_the_page_tells_to_run_runs(exported: tuple[Report, list[str]], tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "model.onnx").write_bytes(exported[0].path.read_bytes())
    Image.fromarray(digit_pictures()[0][0]).save(tmp_path / "picture.png")
    snippets = re.findall(r"```python\n(.+?)\n```", model_page(exported[0]), re.DOTALL)
    assert len(snippets) == 2
    for snippet in snippets:
        done = subprocess.run(
            [sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


@pytest.mark.slow
def test_a_network_from_elsewhere_has_a_page_too(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    module = torch.nn.Linear(3, 2)
    report = export(module, tmp_path / "sum.onnx", example=torch.randn(4, 3), report=path, simplifier="none")
    page = path.read_text(encoding="utf-8")
    assert report.facts["delivery"] == {"report": str(path)}
    assert "Nothing is recorded: the weights came from elsewhere." in page
    assert "No accuracy is recorded." in page
    assert "rows a second" in page
    for snippet in re.findall(r"```python\n(.+?)\n```", page, re.DOTALL):
        done = subprocess.run([sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_lower_precision_is_told_with_its_table(exported: tuple[Report, list[str]]) -> None:
    measured = {"right": 98.5, "alike": 99.0, "error": 0.01, "problem": "", "how": ""}
    facts = {
        "chosen": "int8",
        "measure": "accuracy",
        "max_drop": 0.3,
        "notes": ["judged by 1,000 pictures"],
        "table": "",
        "candidates": [
            {**measured, "name": "fp32", "bytes": 4000, "drop": 0.0, "latency": 2e-3, "latency_ratio": 1.0, "float_layers": []},
            {**measured, "name": "int8", "bytes": 1000, "drop": 0.1, "latency": 1e-3, "latency_ratio": 0.5, "float_layers": ["fc"]},
            {**measured, "name": "fp16", "bytes": 0, "drop": None, "right": None, "alike": None, "latency": None, "latency_ratio": None,
             "float_layers": [], "problem": "slower than fp32"},
        ],
    }  # fmt: skip
    page = model_page(replace(exported[0], facts={"precision": facts}))
    assert "| int8      |    98.50 | 0.10 | 1.0 kB |    0.25 |  1.0 ms |    0.50 | **kept**         |" in page
    assert "slower than fp32" in page
    assert "- left in float: `fc`" in page
    assert "- judged by 1,000 pictures" in page


@pytest.mark.parametrize("task", ["regression", "multilabel", "dense", "embedding", "raw"])
def test_every_task_is_told_in_words(task: str, exported: tuple[Report, list[str]]) -> None:
    card = ModelCard(task, (ArrayInput("input", (1, 8, 8)),), labels=("height",))
    text = model_page(replace(exported[0], card=card)).split("\n\n")[1]
    assert {"regression": "predicts 1 number for", "multilabel": "labels hold", "dense": "each position", "embedding": "vector", "raw": "arrays"}[task] in text  # fmt: skip


def test_speed_is_measured_with_one_thread_and_with_all(exported: tuple[Report, list[str]], monkeypatch: Any) -> None:
    monkeypatch.setattr("exporters.delivery.model_page._SECONDS", 0.01)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    found = measure_speed(exported[0].path)
    assert [(threads, timing.batch_size) for threads, timing in found] == [(1, 1), (1, 8), (None, 1), (None, 8)]
    assert all(timing.median > 0 for _, timing in found)


def test_a_page_that_cannot_be_written_says_so(exported: tuple[Report, list[str]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        write_report(exported[0], tmp_path)


@pytest.mark.slow
def test_all_that_is_asked_for_is_made_besides(checkpoint: Path, tmp_path: Path) -> None:
    said: list[str] = []
    report = export(
        checkpoint,
        tmp_path / "m.onnx",
        simplifier="none",
        ort=True,
        triton=tmp_path / "models",
        bundle=tmp_path / "bundle",
        report=tmp_path / "report.md",
        on_stage=said.append,
    )
    assert {name: Path(path).name for name, path in report.facts["delivery"].items()} == {
        "ort": "m.ort",
        "triton": "m",
        "bundle": "bundle",
        "report": "report.md",
    }
    assert said[-4:] == ["ort", "triton", "bundle", "report"]
    assert all(Path(path).exists() for path in report.facts["delivery"].values())
    assert ExportSettings().ort is False


@pytest.mark.slow
def test_what_is_made_besides_fails_by_itself(checkpoint: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def fails(*_args: Any) -> None:
        raise CheckFailed("it differs")

    monkeypatch.setattr("exporters.delivery.deliver.write_ort", fails)
    with pytest.raises(CheckFailed, match=r"^it differs$"):
        export(checkpoint, tmp_path / "m.onnx", simplifier="none", ort=True)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"bundle": "mine"}, "holds something else"),
        ({"triton": "."}, r"mine holds something else: it has no config\.pbtxt"),
        ({"report": "mine"}, "is a folder; a file is expected"),
    ],
)
def test_what_could_not_be_written_is_refused_before_any_work(
    settings: dict[str, str], words: str, checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    said: list[str] = []
    paths = {name: tmp_path / path for name, path in settings.items()}
    with pytest.raises(InputError, match=words):
        export(checkpoint, tmp_path / "mine.onnx", on_stage=said.append, **paths)
    assert said == []
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
