"""The report: a table for people, plain containers for programs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from exporters.report import Report, StageReport
from exporters.verifying.verify import Parity
from runtime.card import ArrayInput, ModelCard

REPORT = Report(
    Path("model.onnx"),
    (StageReport("trace", 12, 5000, 1.5e-7, 0.25), StageReport("verify", 7, 1234567, 2e-8, 3.0, "as it will run")),
    Parity({"output": 2e-8}, {"output": 1e-5}, (1, 2), ("batch size 1", "batch size 2"), 3, None, {"output": 1e-9}),
    ModelCard("raw", (ArrayInput("input", (4,)),)),
    20,
    10,
    ("opset 13 was asked for; the exporter writes 20",),
)


def test_the_table_has_a_line_a_stage() -> None:
    lines = str(REPORT).splitlines()
    assert lines[0].split() == ["stage", "nodes", "bytes", "worst", "difference", "time"]
    assert lines[2].split() == ["trace", "12", "5.0", "kB", "1.5e-07", "250.0", "ms"]
    assert lines[3].split() == ["verify", "7", "1.2", "MB", "2.0e-08", "3.0", "s", "as", "it", "will", "run"]


def test_the_closing_says_what_was_run() -> None:
    assert REPORT.closing().splitlines()[-2:] == [
        "note: opset 13 was asked for; the exporter writes 20",
        "wrote model.onnx (opset 20): verified against torch at batch sizes 1, 2",
    ]


def test_what_was_made_besides_is_told() -> None:
    lines = replace(REPORT, facts={"delivery": {"ort": "model.ort"}}).closing().splitlines()
    assert lines[-1] == "wrote model.ort (ort)"


def test_the_facts_survive_json() -> None:
    facts = REPORT.to_dict()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["bytes"] == 1234567
    assert facts["path"] == "model.onnx"
    assert facts["notes"] == ["opset 13 was asked for; the exporter writes 20"]
    assert [stage["name"] for stage in facts["stages"]] == ["trace", "verify"]


def test_a_real_report_agrees_with_the_file(exported: Any) -> None:
    report, stages = exported
    assert stages == [stage.name for stage in report.stages] == ["trace", "simplify", "stamp", "verify"]
    assert report.stages[-1].bytes == report.path.stat().st_size == report.to_dict()["bytes"]
    assert report.to_dict()["card"]["parity"] == report.card.parity
    assert all(stage.seconds >= 0 and stage.nodes > 0 for stage in report.stages)
