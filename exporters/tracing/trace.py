"""Tracing of a torch module to an ONNX graph: several routes in order, each followed by the same comparison with torch.

First torch.export, then the legacy exporter, both with export forms in place of layers they refuse or get wrong; and only where
the user allows it the same two again with axes fixed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from exporters.job import ExportJob, StageResult
from exporters.settings import STRICT, Tolerance
from exporters.sources.axes import Axes
from exporters.subject.dynamic_axes import example_lengths, without_axes
from exporters.subject.lengths import cycle
from exporters.subject.subject import Subject
from exporters.tracing.routes import BranchFound, Route, by_legacy_exporter, by_torch_export
from exporters.verifying.probes import make_probes
from exporters.verifying.verify import Parity, References, compare
from runtime.errors import CheckFailed, ModelFileError

__all__ = ["Traced", "cycle", "trace", "trace_stage"]

_ROUTES: tuple[tuple[str, Route], ...] = (
    ("torch.export", by_torch_export),
    ("the legacy exporter", by_legacy_exporter),
)


@dataclass(frozen=True)
class Traced:
    """Result of tracing.

    Attributes:
        subject: with the axes that the file has.
        references: the probes that the file passed.
        parity: of the comparison with torch.
        route: "torch.export" or "the legacy exporter".
        failures: route -> reason of failure, of the routes tried before.
        fixed: axis -> length, of requested dynamic axes that are fixed.
    """

    subject: Subject
    references: References
    parity: Parity
    route: str
    failures: dict[str, str]
    fixed: dict[str, int]


def trace_stage(job: ExportJob) -> StageResult:
    """Trace stage: write the file; the note names the route."""
    traced = trace(
        job.subject,
        job.path,
        references=job.references,
        tolerance=job.tolerance,
        allow_static=job.settings.allow_static,
        written=functools.partial(job.on_traced, job.path),
    )
    reason = _first(traced.failures)
    job = replace(job, subject=traced.subject, references=traced.references, parity=traced.parity)
    job = job.with_facts("trace", {"route": traced.route, "failures": traced.failures, "fixed": traced.fixed}).noted(
        *(f"the {name} is fixed to {n}, as --allow-static allows: {reason}" for name, n in traced.fixed.items())
    )
    return StageResult(job, f"by {traced.route}" + (f", {_lengths_words(traced.fixed)} fixed" if traced.fixed else ""))


def trace(
    subject: Subject,
    path: Path,
    *,
    references: References | None = None,
    tolerance: Tolerance = STRICT,
    allow_static: bool = False,
    written: Callable[[], None] | None = None,
) -> Traced:
    """Write the traced and optimised graph to `path`, compared with torch.

    Args:
        subject: the network, with the axes that are to be dynamic.
        path: the file; weights above 2 GB go beside it.
        references: torch's outputs on the probes; None makes them.
        tolerance: allowed difference.
        allow_static: where no route writes a file with all axes dynamic, fix them: first all but the batch, then all.
        written: called when a file is written, before it is compared.

    Raises:
        CheckFailed: no route writes a file that agrees with torch; names the reason of each.
    """
    failures: dict[str, str] = {}
    for tried in (subject, *(_fixed_subjects(subject) if allow_static else ())):
        fixed = {name: n for name, n in example_lengths(subject).items() if name not in example_lengths(tried)}
        known = references if references is not None and tried is subject else References(tried, make_probes(tried))
        for name, route in _ROUTES:
            try:
                suspected = route(tried, path)
                if written is not None:
                    written()
                known = References(tried, (*known.probes, *suspected)) if suspected else known
                return Traced(tried, known, compare(known, path, tolerance), name, failures, _rows_told(tried, fixed))
            except (CheckFailed, ModelFileError) as error:
                failures[f"{name} ({_lengths_words(fixed)} fixed)" if fixed else name] = str(error).replace(
                    str(path), path.name
                )
                if isinstance(error, BranchFound):
                    break  # the legacy exporter would freeze one side of the branch, perhaps where no probe sees it
    raise CheckFailed(_refusal(subject, failures, allow_static))


def _fixed_subjects(subject: Subject) -> Iterator[Subject]:
    """Subjects with fewer and fewer dynamic axes."""
    batch_only: Axes = tuple({axis: name for axis, name in axes.items() if name == "batch"} for axes in subject.axes)
    if batch_only != subject.axes and any(batch_only):
        yield replace(subject, axes=batch_only, ranges={})
    if any(subject.axes):
        yield replace(subject, axes=without_axes(subject), ranges={})


def _rows_told(subject: Subject, fixed: dict[str, int]) -> dict[str, int]:
    return {name: (subject.rows or length) if name == "batch" else length for name, length in fixed.items()}


def _lengths_words(fixed: dict[str, int]) -> str:
    return ", ".join(fixed)


def _first(failures: dict[str, str]) -> str:
    return next(iter(failures.values()), "")[:200]


def _refusal(subject: Subject, failures: dict[str, str], allow_static: bool) -> str:
    """Error message: the first reason in full, the others shortened, and remedies."""
    (_, first), *others = failures.items()
    parts = [f"torch could not export the network: {first}"]
    parts += [f"Nor could {name}: {reason[:160].rstrip('. ')}." for name, reason in others[:2]]
    if "implementation for" in first and any(tensor.dtype == torch.float64 for tensor in subject.module.parameters()):
        parts.append("onnxruntime has few operators for float64: export the network in float32, module.float().")
    if any(subject.axes) and not allow_static and "dynamic=()" not in first and _is_about_lengths(first):
        names = ", ".join(example_lengths(subject))
        parts.append(f"These axes were to be dynamic: {names}; fewer (--dynamic batch), or --allow-static, may help.")
    return " ".join(parts)


# Reasons that no other choice of dynamic axes would remove: an operator, a dtype or a name.
_OTHER_REASONS = re.compile(
    r"No ONNX function|[Uu]nsupported|not supported|not implemented|implementation for|[Pp]rojection|takes the inputs|"
    r"has no NumPy array|dtype|scalar type|TorchScript could not be converted|out of memory"
)
_DIFFERENCE = re.compile(r"differs from torch by ([\d.e+-]+) .*; up to ([\d.e+-]+) is allowed")
# A difference of fewer times what is allowed is rounding, not another computation.
_ROUNDING = 1000


def _is_about_lengths(reason: str) -> bool:
    """Whether fewer dynamic axes could help."""
    found = _DIFFERENCE.search(reason)
    if found is not None:
        return float(found[1]) > _ROUNDING * float(found[2])
    return _OTHER_REASONS.search(reason) is None
