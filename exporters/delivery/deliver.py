"""Delivery: write the requested artefacts (ORT, Triton, bundle, report) once the ONNX file is in place."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from exporters.delivery.bundle import write_bundle
from exporters.delivery.folders import check_folder
from exporters.delivery.model_page import write_report
from exporters.delivery.ort_format import write_ort
from exporters.delivery.triton import check_repository, write_triton
from exporters.job import ExportJob
from exporters.report import Report
from exporters.settings import ExportSettings
from runtime.errors import InputError, SpecError

__all__ = ["check_delivery", "deliver"]


def check_delivery(settings: ExportSettings, target: Path, source: Path | None = None) -> None:
    """Validate the delivery paths before the export starts.

    Args:
        settings: of the export.
        target: the file that is going to be exported.
        source: the file that it is made from.

    Raises:
        InputError: a folder holds something else, or a file is a folder.
        SpecError: Triton takes no model of the target's name, or one path is named twice.
    """
    _check_apart(settings, target, source)
    if settings.bundle is not None:
        check_folder(Path(settings.bundle), "check.py")
    if settings.triton is not None:
        check_repository(Path(settings.triton), target.stem)
    if settings.report is not None and Path(settings.report).is_dir():
        raise InputError(f"{settings.report} is a folder; a file is expected. Name one, such as --report report.md.")
    for flag, place in (("--bundle", settings.bundle), ("--triton", settings.triton), ("--report", settings.report)):
        if place is not None:
            _check_place(flag, Path(place))
    if settings.triton is not None and os.path.isfile(settings.triton):
        raise InputError(f"{settings.triton} is a file; a folder is expected. Name one with --triton.")
    if settings.ort and target.with_suffix(".ort").is_dir():
        raise InputError(
            f"{target.with_suffix('.ort')} is a folder, and --ort writes a file there. Rename the one or the other."
        )
    if settings.ort and target.suffix == ".ort":
        raise SpecError(
            f"{target} ends in .ort, which --ort writes beside the ONNX file. Name a file that ends in .onnx."
        )


def _check_apart(settings: ExportSettings, target: Path, source: Path | None) -> None:
    """Raise SpecError where two written paths are the same, or one is the source."""
    named = [
        ("the exported file", target),
        ("--ort", target.with_suffix(".ort") if settings.ort and target.suffix != ".ort" else None),
        ("--report", settings.report),
        ("--bundle", settings.bundle),
        ("--triton", settings.triton),
        ("--keep-stages", settings.keep_stages),
    ]
    seen: dict[str, str] = {}
    for what, path in named:
        if path is None:
            continue
        place = os.path.realpath(path)
        if place in seen:
            raise SpecError(f"{path} was named twice, as {seen[place]} and as {what}. Name another for one of them.")
        seen[place] = what
    if settings.bundle is not None and os.path.realpath(target.parent) == os.path.realpath(settings.bundle):
        raise SpecError(
            f"{target} would lie in the bundle {settings.bundle}, which is made of nothing else and brings its own copy of the model. "
            f"Name another folder with --bundle."
        )
    # a folder with the source's name is refused with the folder's own reason
    if (
        source is not None
        and settings.report is not None
        and os.path.realpath(source) == os.path.realpath(settings.report)
    ):
        raise SpecError(f"{source} was named twice, as --report and as the source. Name another file with --report.")


def _check_place(flag: str, path: Path) -> None:
    """Raise InputError where the nearest existing parent of `path` is a file or not writable."""
    there = next((folder for folder in path.absolute().parents if os.path.exists(folder)), Path(path.anchor or "."))
    if os.path.isdir(there) and os.access(there, os.W_OK):
        return
    why = "may not be written" if os.path.isdir(there) else "is a file"
    raise InputError(f"{flag} {path} cannot be made: {there} {why}. Name another place with {flag}.")


def deliver(report: Report, job: ExportJob) -> Report:
    """Write the artefacts of `--ort`, `--triton`, `--bundle` and `--report`; the export's file is at `report.path`.

    Returns:
        The report with ``facts["delivery"]``: artefact -> its path.

    Raises:
        CheckFailed: an artefact's outputs differ from torch's; the ONNX file itself stays where it is.
        InputError: a folder cannot be written.
    """
    asked, written = job.settings, {}
    steps: list[tuple[str, bool, Callable[[], Path]]] = [
        ("ort", asked.ort, lambda: write_ort(report, job.references, job.tolerance)),
        ("triton", asked.triton is not None, lambda: write_triton(report, asked.triton or "")),
        (
            "bundle",
            asked.bundle is not None,
            lambda: write_bundle(report, asked.bundle or "", job.references, job.tolerance),
        ),
        ("report", asked.report is not None, lambda: write_report(report, asked.report or "")),
    ]
    for name, wanted, write in steps:
        if wanted:
            job.say(name)
            written[name] = str(write())
    return replace(report, facts={**report.facts, "delivery": written}) if written else report
