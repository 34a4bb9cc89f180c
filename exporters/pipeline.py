"""Export pipeline: trace -> simplify -> stamp -> verify. A file that does not pass is not written."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from exporters.delivery.deliver import check_delivery, deliver
from exporters.forward.modes import restore_modes
from exporters.job import ExportJob
from exporters.onnx_files.external_data import copy_model, model_bytes
from exporters.onnx_files.staging import staging
from exporters.report import Report, StageReport
from exporters.settings import ExportSettings, make_settings
from exporters.simplifying.simplify import BackgroundSimplifier
from exporters.sources import Source
from exporters.sources.default_target import default_target
from exporters.stages import PlannedStage, plan
from exporters.subject.assembly import make_subject
from exporters.subject.dynamic_axes import resolve_dynamic_axes
from exporters.targets import opset_version
from exporters.verifying.probes import make_probes
from exporters.verifying.verify import References, compare
from runtime.console import table, written_lines
from runtime.errors import CardError, CheckFailed, InputError, ModelFileError, SpecError

__all__ = ["export", "plan_export"]


@restore_modes
def export(
    source: Source,
    output: str | os.PathLike[str] | None = None,
    *,
    example: Any = None,
    on_stage: Callable[[str], None] | None = None,
    **settings: Any,
) -> Report:
    """Export to one verified ONNX file.

    Args:
        source: a checkpoint's path, a `Checkpoint`, or any torch module; it is exported in evaluation mode and left
            in the mode that it came in.
        output: the file to write; None puts it beside the checkpoint.
        example: for a module: one batch of input, or a tuple of them. At least two rows say more than one.
        on_stage: called with each stage's name as it begins.
        settings: the fields of `ExportSettings`.

    Returns:
        The report of an export that passed; the file is at `report.path`.

    Raises:
        CheckFailed: tracing failed, or the file differs from torch. A file that was at `output` before is left as it was.
        CheckpointError, InputError, SpecError: the source, the inputs or the settings cannot be exported.
    """
    asked = make_settings(settings)
    target = _target(source, output, asked)
    with _refusal(target), staging(target) as path, BackgroundSimplifier(asked.simplifier) as simplifier:
        subject, told = resolve_dynamic_axes(make_subject(source, example=example, settings=asked), asked)
        references = References(subject, make_probes(subject))
        notes = [*subject.notes, *told]
        if asked.precision == "fp32" and asked.evaluation is not None:
            notes.append(
                "the evaluation data was not used: fp32 loses no accuracy; name another --precision to measure"
            )
        job = ExportJob(
            subject,
            asked,
            path,
            references,
            asked.tolerance,
            tuple(notes),
            on_traced=simplifier.begin,
            say=on_stage or _silent,
        )
        stages: list[StageReport] = []
        for number, stage in enumerate(plan(asked, subject, simplifier), 1):
            job, done = _run(number, stage, job, target, stages[-1].nodes if stages else None)
            stages.append(done)
        assert job.parity is not None
        model = onnx.load(path, load_external_data=False)
        report = Report(
            target,
            tuple(stages),
            job.parity,
            job.subject.card,
            opset_version(model),
            model.ir_version,
            job.notes,
            dict(job.facts),
        )
    return deliver(report, job)


def plan_export(
    source: Source, output: str | os.PathLike[str] | None = None, *, example: Any = None, **settings: Any
) -> tuple[dict[str, Any], str]:
    """Dry run of `export` with the same arguments: (facts for JSON, text). Nothing is written.

    Raises:
        The errors of `export` that come before its first stage.
    """
    asked = make_settings(settings)
    target = _target(source, output, asked)
    subject, _ = resolve_dynamic_axes(make_subject(source, example=example, settings=asked), asked)
    stages = plan(asked, subject)
    shapes = {
        name: [axes.get(axis, length) for axis, length in enumerate(sample.shape)]
        for name, sample, axes in zip(subject.input_names, subject.samples, subject.axes, strict=True)
    }
    facts = {
        "path": str(target),
        "task": subject.card.task,
        "inputs": [{"name": name, "shape": shape} for name, shape in shapes.items()],
        "outputs": subject.output_names,
        "stages": [{"name": stage.name, "what": stage.what} for stage in stages],
    }
    lines = [f"would write {target}"]
    lines += [f"input    {name} ({', '.join(map(str, shape))})" for name, shape in shapes.items()]
    lines += [f"output   {name}" for name in subject.output_names]
    steps = table(("stage", "what it does"), [(stage.name, stage.what) for stage in stages])
    return facts, f"{written_lines(lines)}\n{steps}"


def _target(source: Source, output: str | os.PathLike[str] | None, asked: ExportSettings) -> Path:
    """Path of the file to write. Raises SpecError or InputError where the file or an artefact cannot be written."""
    target = default_target(source) if output is None else Path(output)
    made_from = Path(source) if isinstance(source, str | os.PathLike) else None
    if made_from is not None and os.path.realpath(target) == os.path.realpath(made_from):
        raise SpecError(f"{target} is the checkpoint itself; the export would take its place. Name another file.")
    check_delivery(asked, target, made_from)
    return target


def _run(
    number: int, stage: PlannedStage, job: ExportJob, target: Path, nodes: int | None
) -> tuple[ExportJob, StageReport]:
    """Run one stage and measure the resulting file. `nodes` are those of the graph before; None before the first stage."""
    job.say(stage.name)
    started = time.perf_counter()
    before = _state(job.path)
    try:
        result = stage.run(job)
        measured = result.job.parity is not None and (result.job.parity is not job.parity or not result.modified)
        job = result.job
        if not measured:
            job = replace(job, parity=compare(job.references, job.path, job.tolerance))
    except CardError as error:
        raise CheckFailed(f"The card cannot be read back after the stage {stage.name!r}. {error}") from error
    except ModelFileError as error:
        reason = " ".join(str(error.__cause__ or error).split()).replace(str(job.path), target.name)
        raise CheckFailed(f"onnxruntime cannot run the file after the stage {stage.name!r}: {reason}.") from error
    if nodes is None or _state(job.path) != before:
        nodes = _node_count(job.path, stage.name)
    if job.settings.keep_stages is not None:
        _keep(job.path, Path(job.settings.keep_stages), f"{number}-{stage.name}")
    assert job.parity is not None
    return job, StageReport(
        stage.name,
        nodes,
        model_bytes(job.path),
        job.parity.worst_difference,
        time.perf_counter() - started,
        result.note,
    )


def _state(path: Path) -> tuple[int, int, int] | None:
    """Another one after every change of the file; None where there is none."""
    if not path.exists():
        return None
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _node_count(path: Path, stage: str) -> int:
    """Nodes of the graph. Raises CheckFailed for a file without one."""
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own error
        raise CheckFailed(f"The file cannot be read after the stage {stage!r}: {error}.") from error
    if not model.graph.output:  # an empty file is a valid message without a graph
        raise CheckFailed(f"The file holds no graph after the stage {stage!r}.")
    return len(model.graph.node)


def _keep(path: Path, folder: Path, name: str) -> None:
    """Copy the current file into `keep_stages` after a stage."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        copy_model(path, folder / f"{name}.onnx")
    except OSError as error:
        raise InputError(
            f"The stages cannot be kept in {folder}: {error.strerror}. Name another folder with --keep-stages."
        ) from error


def _silent(_text: str) -> None:
    pass


@contextlib.contextmanager
def _refusal(target: Path) -> Iterator[None]:
    """Append to every CheckFailed that nothing was written."""
    try:
        yield
    except CheckFailed as error:
        before = "; the file that was there before is unchanged" if target.exists() else ""
        raise CheckFailed(
            f"The export was refused: {error.message} Nothing was written to {target}{before}.", error.table
        ) from error
