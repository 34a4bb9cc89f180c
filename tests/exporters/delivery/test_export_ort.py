"""ONNX Runtime's own format: the same results, the same card, or no file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exporters.delivery import ort_format
from exporters.delivery.ort_format import write_ort
from exporters.report import Report
from exporters.settings import Tolerance
from exporters.subject.assembly import make_subject
from exporters.verifying.probes import make_probes
from exporters.verifying.verify import References, compare
from runtime.errors import CheckFailed, SpecError
from runtime.session import Session


@pytest.fixture
def beside(exported: tuple[Report, list[str]], checkpoint: Path, tmp_path: Path) -> tuple[Report, References]:
    """The export's report with its file copied into a folder of this test, and the references."""
    from dataclasses import replace

    path = tmp_path / "model.onnx"
    path.write_bytes(exported[0].path.read_bytes())
    subject = make_subject(checkpoint)
    return replace(exported[0], path=path), References(subject, make_probes(subject))


def test_the_file_agrees_with_torch_and_keeps_the_card(beside: tuple[Report, References], capfd: Any) -> None:
    report, references = beside
    written = write_ort(report, references)
    assert written == report.path.with_suffix(".ort")
    assert written.read_bytes()[4:8] == b"ORTM"
    assert Session(written, "cpu").card == Session(report.path, "cpu").card
    assert compare(references, written).worst_difference < 1e-4
    assert sorted(path.name for path in written.parent.iterdir()) == ["model.onnx", "model.ort"]
    assert capfd.readouterr() == ("", "")


def test_a_file_that_differs_is_not_written(beside: tuple[Report, References]) -> None:
    report, references = beside
    with pytest.raises(CheckFailed, match="the ORT format computes something else"):
        write_ort(report, references, Tolerance(0.0, 0.0))
    assert [path.name for path in report.path.parent.iterdir()] == ["model.onnx"]


def test_a_converter_that_fails_is_told_in_one_paragraph(
    beside: tuple[Report, References], monkeypatch: pytest.MonkeyPatch
) -> None:
    from onnxruntime.tools import convert_onnx_models_to_ort as converter

    def fails(*_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError("no such\noperator")

    monkeypatch.setattr(converter, "convert_onnx_models_to_ort", fails)
    with pytest.raises(CheckFailed, match=r"in its own format: no such operator\. Leave --ort out\."):
        write_ort(*beside)
    assert [path.name for path in beside[0].path.parent.iterdir()] == ["model.onnx"]


def test_a_model_too_large_for_the_format_is_refused(
    beside: tuple[Report, References], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ort_format, "SIZE_LIMIT_BYTES", 1000)
    with pytest.raises(SpecError, match=r"holds up to 1\.0 kB\. Leave --ort out"):
        write_ort(*beside)
