"""Make what was asked for besides the file, once it is in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from exporters.delivery.bundle import write_bundle
from exporters.delivery.folders import check_folder
from exporters.delivery.model_page import write_report
from exporters.delivery.ort_format import write_ort
from exporters.delivery.triton import check_repository, write_triton
from exporters.report import Report
from exporters.settings import ExportSettings
from exporters.work import Work
from runtime.errors import InputError, SpecError

__all__ = ["check_delivery", "deliver"]


def check_delivery(settings: ExportSettings, target: Path) -> None:
    """Refuse before any work what could not be written after it; `target` is the file that is going to be exported.

    Raises:
        InputError: a folder holds something else, or a file is a folder.
        SpecError: Triton takes no model of the target's name.
    """
    if settings.bundle is not None:
        check_folder(Path(settings.bundle), "check.py")
    if settings.triton is not None:
        check_repository(Path(settings.triton), target.stem)
    if settings.report is not None and Path(settings.report).is_dir():
        raise InputError(f"{settings.report} is a folder; a file is expected. Name one, such as --report report.md.")
    if settings.ort and target.suffix == ".ort":
        raise SpecError(
            f"{target} ends in .ort, which --ort writes beside the ONNX file. Name a file that ends in .onnx."
        )


def deliver(report: Report, work: Work) -> Report:
    """Write `--ort`, `--triton`, `--bundle` and `--report` of an export whose file is at `report.path`.

    Returns:
        The report with what was written under ``facts["delivery"]``: what -> its path.

    Raises:
        CheckFailed: what was made does not compute what torch computes; the ONNX file itself stays where it is.
        InputError: a folder cannot be written.
    """
    asked, written = work.settings, {}
    steps: list[tuple[str, bool, Callable[[], Path]]] = [
        ("ort", asked.ort, lambda: write_ort(report, work.references, work.tolerance)),
        ("triton", asked.triton is not None, lambda: write_triton(report, asked.triton or "")),
        (
            "bundle",
            asked.bundle is not None,
            lambda: write_bundle(report, asked.bundle or "", work.references, work.tolerance),
        ),
        ("report", asked.report is not None, lambda: write_report(report, asked.report or "")),
    ]
    for name, wanted, write in steps:
        if wanted:
            work.say(name)
            written[name] = str(write())
    return replace(report, facts={**report.facts, "delivery": written}) if written else report
