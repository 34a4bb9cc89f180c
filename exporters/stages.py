"""Stages of an export, functions of one signature: each replaces the file and returns a note on the change."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from exporters.job import ExportJob, Stage
from exporters.onnx_files.stamp import stamp
from exporters.outputs.detection import PaddedDetections
from exporters.outputs.detection_order import NOTHING_FOUND, nothing_found
from exporters.pre_post_processing.postprocess import embed_postprocess, postprocess_words
from exporters.pre_post_processing.preprocess import embed_preprocess, preprocess_words
from exporters.precision import change_precision, precision_words
from exporters.settings import ExportSettings
from exporters.simplifying.simplify import run_simplify
from exporters.subject.subject import Subject
from exporters.targets.stage import run_target, target_words
from exporters.tracing.trace import trace_stage
from exporters.verifying.verify import compare
from runtime.card import ModelCard
from runtime.errors import CheckFailed
from runtime.session import Session

__all__ = ["PlannedStage", "plan"]


# A difference of this share of an output's length, where every number is within the tolerance, is worth a note.
_TELLING = 0.01


@dataclass(frozen=True)
class PlannedStage:
    """Planned stage: name, description and function."""

    name: str
    what: str
    run: Stage


def plan(settings: ExportSettings, subject: Subject) -> tuple[PlannedStage, ...]:
    """Plan the stages for these settings, in order."""
    stages: list[tuple[str, str | None, Stage]] = [
        ("trace", "torch.export, else the legacy exporter; " + _axes_words(subject), trace_stage),
        ("simplify", _simplifier_words(settings), run_simplify),
        ("precision", precision_words(settings), change_precision),
        ("preprocess", preprocess_words(settings, subject), embed_preprocess),
        ("postprocess", postprocess_words(settings, subject), embed_postprocess),
        ("target", target_words(settings), run_target),
        ("stamp", f"card inside, task {subject.card.task}", _stamp),
        ("verify", "torch again, against the file as it will run", _verify),
    ]
    return tuple(PlannedStage(name, what, run) for name, what, run in stages if what is not None)


def _stamp(job: ExportJob) -> str:
    parity = job.parity
    assert parity is not None
    job.subject = replace(
        job.subject, card=replace(job.subject.card, parity={**parity.to_dict(), **_precision_facts(job)})
    )
    job.references.subject = job.subject
    stamp(job.path, job.subject.card)
    return "card inside"


def _precision_facts(job: ExportJob) -> dict[str, Any]:
    """Precision facts for the card: the chosen precision, and its measurements against float32."""
    facts = job.facts.get("precision")
    if facts is None:
        return {}
    chosen = next(entry for entry in facts["candidates"] if entry["name"] == facts["chosen"])
    precision = {**chosen, "measure": facts["measure"], "max_drop": facts["max_drop"]}
    return {"precision": precision, "tolerance": asdict(job.tolerance)}


def _verify(job: ExportJob) -> str:
    """Verify stage: open the file with the runtime, read the card back, and compare with torch's recomputed outputs."""
    session = Session(job.path, "cpu")
    if session.card != ModelCard.from_json(job.subject.card.to_json()):
        raise CheckFailed("The card that was read back from the file is not the one that was written.")
    references = job.references.recomputed()
    job.parity = compare(references, job.path, job.tolerance, session=session)
    if isinstance(job.subject.module.module, PaddedDetections) and nothing_found(found for _, found in references):
        job.notes.append(NOTHING_FOUND)
    if job.tolerance.root_mean_square is None:
        job.notes += map(_unseen, (entry for entry in job.parity.root_mean_square.items() if entry[1] > _TELLING))
    for check in job.checks:
        check(job.path)
    return "torch against the file, as it will run"


def _unseen(entry: tuple[str, float]) -> str:
    name, share = entry
    return (
        f"the output {name!r} is so small that the tolerance hides it: relative to its own length it differs from torch by "
        f"{share:.1%}; compare with a smaller --atol"
    )


def _axes_words(subject: Subject) -> str:
    names = list(dict.fromkeys(name for axes in subject.axes for name in axes.values()))
    return f"any {', '.join(names)}" if names else "all lengths fixed"


def _simplifier_words(settings: ExportSettings) -> str | None:
    if settings.simplifier == "none":
        return None
    which = "onnxsim, else onnxslim" if settings.simplifier == "auto" else settings.simplifier
    return f"{which}, in a child process with limits"
