"""Precision stage: make and measure several candidates, and keep an acceptable one or fail."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from exporters.job import ExportJob, StageResult
from exporters.onnx_files.external_data import copy_model
from exporters.precision.candidates import Candidate, Comparison
from exporters.precision.data import gather
from exporters.precision.latency import measure_latency
from exporters.precision.quality import measure_name, measured_outputs
from exporters.precision.rows import Feeds, row_count, take_rows
from exporters.precision.search import Search
from exporters.settings import ExportSettings, Tolerance
from exporters.verifying.verify import compare
from runtime.card import ModelCard
from runtime.errors import CardError, CheckFailed, InputError, SpecError, suggest
from runtime.results import find_decoder
from runtime.session import Session

__all__ = ["PRECISIONS", "change_precision", "precision_words"]

PRECISIONS = ("fp32", "fp16", "int8", "int8-dynamic", "auto")

# The final verification repeats what was measured here, on the same inputs; another order of sums may round otherwise.
_ERROR_MARGIN = 1.25
_LEAST_ERROR = 1e-3
_AGREEMENT_MARGIN = 0.05


def precision_words(settings: ExportSettings) -> str | None:
    """Description of the stage; None where the precision stays float32.

    Raises:
        SpecError: the precision is unknown, or max_drop is not between 0 and 100.
        InputError: the calibration or evaluation path does not exist; checked here, before the trace.
    """
    asked, drop = settings.precision, settings.max_drop
    if asked not in PRECISIONS:
        raise SpecError(f"The precision {asked!r} was asked for.{suggest(str(asked), PRECISIONS)}")
    if not isinstance(drop, int | float) or isinstance(drop, bool) or not 0 <= drop <= 100:
        raise SpecError(f"max_drop={drop!r} was given; percentage points between 0 and 100 are expected, such as 0.3.")
    if asked == "fp32":
        return None
    for flag, path in (("--calibration", settings.calibration), ("--evaluation", settings.evaluation)):
        if path is not None and not Path(path).exists():
            raise InputError(f"{flag} {path} does not exist. Check the path; it is looked up from {Path.cwd()}.")
    how = {
        "fp16": "16-bit floats inside, float32 inputs and outputs",
        "int8": f"8-bit QDQ, ranges by {settings.calibration_method}",
        "int8-dynamic": "8-bit weights, activations quantised at every run",
        "auto": "fp16, int8 and int8-dynamic beside fp32, the fastest kept",
    }[asked]
    return f"{how}; at most {drop:g} points lost"


def change_precision(job: ExportJob) -> StageResult:
    """Replace the file by one of the requested precision; the measurements are the facts of the stage "precision".

    Raises:
        CheckFailed: the requested precision is slower, larger or worse than allowed; the message holds the table.
        InputError: the calibration or evaluation data cannot be read.
    """
    settings, card = job.settings, _judged_card(job.subject.card)
    asked = settings.precision
    job.say("precision: reading real inputs")
    data = gather(replace(job.subject, card=card), settings)
    measure = measure_name(card, labelled=data.targets is not None)
    comparison = Comparison([Candidate("fp32", job.path)], measure, settings.max_drop, data.notes)
    with tempfile.TemporaryDirectory(prefix="precision-", dir=job.path.parent) as name:
        search = Search(job.path, Path(name), card, data, comparison, job.say)
        if asked in ("fp16", "auto"):
            search.half()
        if asked in ("int8", "auto"):
            search.static(settings.calibration_method)
        if asked in ("int8-dynamic", "auto"):
            search.dynamic()
        _time(job, comparison, data.evaluation, measured_outputs(card))
        comparison.judge(may_be_slower=settings.allow_slower or asked == "fp16")
        chosen = _choose(comparison, asked)
        comparison.chosen = "" if chosen is None else chosen.name
        job = job.with_facts("precision", {"asked": asked, "data": dict(data.sources), **comparison.to_dict()})
        if chosen is None:
            raise CheckFailed(_refusal(comparison, asked), str(comparison))
        if chosen is comparison.base:
            note = f"fp32 is kept: nothing else is faster and loses at most {settings.max_drop:g} points"
            return StageResult(job, note, modified=False)
        assert chosen.path is not None
        copy_model(chosen.path, job.path)
    job = replace(job, tolerance=_measured_tolerance(job)).noted(*_slower(comparison, chosen))
    return StageResult(job, _note(comparison, chosen))


def _judged_card(card: ModelCard) -> ModelCard:
    """Card for the evaluation; task "raw" where no output answers the card's task, so that all outputs are compared."""
    try:
        find_decoder(card.task).outputs(card)
    except CardError:
        return replace(card, task="raw")
    return card


def _time(job: ExportJob, comparison: Comparison, feeds: Feeds, outputs: Sequence[str]) -> None:
    """Measure the latency of every written candidate on one row, or on a batch where the file's batch size is fixed."""
    paths = {candidate.name: candidate.path for candidate in comparison.candidates if candidate.path}
    session = Session(job.path, "cpu")
    one = session.batch.as_in_file(take_rows(feeds, np.arange(session.fixed_batch or 1) % row_count(feeds)))
    job.say("precision: how long each file takes")
    for name, latency in measure_latency(paths, one, outputs).items():
        next(candidate for candidate in comparison.candidates if candidate.name == name).latency = latency


def _choose(comparison: Comparison, asked: str) -> Candidate | None:
    """Fastest acceptable candidate, float32 included under "auto"; None where there is none."""
    tried = [candidate for candidate in comparison.candidates[1:] if candidate.path and not candidate.problem]
    if asked == "auto":
        tried.append(comparison.base)
    return min(tried, key=lambda candidate: comparison.ratio(candidate) or math.inf, default=None)


def _measured_tolerance(job: ExportJob) -> Tolerance:
    """Tolerance for the final verification: the file's measured difference from torch, with a margin.

    Raises:
        CheckFailed: outputs are NaN or infinite where torch's are not.
    """
    free = replace(job.tolerance, root_mean_square=math.inf, min_agreement=0.0)
    measured = compare(job.references, job.path, free)
    error = max(measured.root_mean_square.values(), default=0.0)
    agree = measured.labels_agree
    return replace(
        job.tolerance,
        root_mean_square=error * _ERROR_MARGIN + _LEAST_ERROR,
        min_agreement=None if agree is None else max(0.0, agree - _AGREEMENT_MARGIN),
    )


def _slower(comparison: Comparison, chosen: Candidate) -> list[str]:
    """A warning where the file is slower here."""
    ratio = comparison.ratio(chosen) or 1.0
    if ratio < 1:
        return []
    device = "a device that computes in 16-bit floats" if chosen.name == "fp16" else "another machine"
    return [f"{chosen.name} takes {ratio:.2f} times as long as fp32 on this machine's CPU; it is for {device}"]


def _note(comparison: Comparison, chosen: Candidate) -> str:
    """One line for the table of stages."""
    ratio = comparison.ratio(chosen) or 1.0
    size = chosen.bytes / comparison.base.bytes
    lost = comparison.drop(chosen)
    return f"{chosen.name}: {lost:.2f} points lost, {ratio:.2f} of fp32's latency, {size:.2f} of its size" + (
        f"; {chosen.how}" if chosen.how else ""
    )


# Points beyond which what is left is no answer any more.
_MOST_DROP = 50.0


def _refusal(comparison: Comparison, asked: str) -> str:
    """Error message: the problem, and remedies."""
    last = comparison.candidates[-1]
    tries = []
    if last.path is None:
        tries.append("--precision auto tries the others")
    elif comparison.worse(last):
        tries.append("give more real inputs like those of the field with --calibration DIR")
        if asked == "int8":
            tries.append("try --calibration-method percentile")
        if comparison.drop(last) <= _MOST_DROP:
            tries.append(f"allow more with --max-drop {math.ceil(10 * comparison.drop(last)) / 10:g}")
    else:
        tries.append("take the fastest that is good enough with --precision auto")
        if "faster" in last.problem:
            tries.append("keep it for another machine with --allow-slower")
    tries.append("or stay with --precision fp32")
    return f"{last.name} {last.problem}. What to do: {', '.join(tries)}."
