"""Simplify a graph in a child process with limits; keep a result only with fewer nodes and the same outputs."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnx

from exporters.isolation.limited_process import run_limited
from exporters.job import ExportJob
from exporters.onnx_files.staging import external_data_path
from exporters.settings import Simplifier, Tolerance
from exporters.verifying.verify import Parity, References, compare
from runtime.console import bytes_text
from runtime.errors import CheckFailed, MissingPackageError, ToolkitError

__all__ = ["BackgroundSimplifier", "Limits", "Simplified", "begin_simplify", "run_simplify", "simplify"]

_ORDER: dict[str, tuple[str, ...]] = {
    "auto": ("onnxsim", "onnxslim"),
    "onnxsim": ("onnxsim",),
    "onnxslim": ("onnxslim",),
}
# A graph that grew beyond this has constants worked out that are better left to be worked out where it runs.
_GROWTH, _GROWTH_BYTES = 1.5, 1_000_000


@dataclass(frozen=True)
class Limits:
    """Limits on time and memory, for all simplifiers together.

    Attributes:
        seconds: run time; a graph gets 0.02 s more per node and 0.2 s per megabyte.
        memory_bytes: resident memory of the child beyond eight times the file's size.
        address_space_bytes: the same for address space, of which libraries reserve far more than they use.
    """

    seconds: float = 45.0
    memory_bytes: int = 1_500_000_000
    address_space_bytes: int = 8_000_000_000


LIMITS = Limits()
# A second simplifier is given at least this, whatever the first has left over.
LEAST_SECONDS = 5.0


@dataclass(frozen=True)
class Simplified:
    """Result of simplifying.

    Attributes:
        note: what was done, or why not, in words.
        parity: measured on the file that was kept; None where the file was left as it was.
        facts: for the report: each simplifier that was tried, the last first, with its outcome.
    """

    note: str
    parity: Parity | None
    facts: dict[str, Any]


class _Refused(Exception):
    """A simplifier's result is rejected; the message is the reason."""


class _NothingToRemove(_Refused):
    """Nothing to remove: the graph is minimal, so no other simplifier is tried."""


class BackgroundSimplifier:
    """First simplifier, run in a child process while the traced file is still being compared with torch.

    Args:
        path: the file, which stays as it is until `finish` or `stop`.
        name: of the simplifier.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._attempt: dict[str, Any] = {}
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        seconds = _seconds(path.stat().st_size, 0, LIMITS)
        self._done = self._pool.submit(
            _run, name, path, _candidate(path), seconds, LIMITS, self._attempt, stop=self._stop
        )

    def finish(self, attempt: dict[str, Any]) -> None:
        """Wait for the child process, with the outcome and errors of `_run`."""
        try:
            self._done.result()
        finally:
            attempt.update(self._attempt)
            self._pool.shutdown()

    def stop(self) -> None:
        """Stop the child process; its output is not used."""
        self._stop.set()
        self._pool.shutdown()


def begin_simplify(job: ExportJob) -> None:
    """Start the first simplifier on the current file in the background, for the simplify stage to finish."""
    if job.background is not None:
        job.background.stop()
        job.background = None
    name = _ORDER.get(job.settings.simplifier, ("",))[0]
    if name and find_spec(name) is not None and not external_data_path(job.path).exists():
        job.background = BackgroundSimplifier(job.path, name)


def run_simplify(job: ExportJob) -> str:
    """Simplify stage; where the file is left unchanged, its parity remains valid."""
    asked = job.settings.simplifier
    if asked != "auto" and find_spec(asked) is None:
        raise MissingPackageError(f"Simplifying with {asked}", asked, "train")
    begun = job.background if isinstance(job.background, BackgroundSimplifier) else None
    result = simplify(job.path, job.references, job.tolerance, simplifier=asked, begun=begun)
    job.background = None
    job.facts["simplify"] = result.facts
    if result.parity is not None:
        job.parity = result.parity
    return result.note


def simplify(
    path: Path,
    references: References,
    tolerance: Tolerance,
    *,
    simplifier: Simplifier = "auto",
    limits: Limits = LIMITS,
    begun: BackgroundSimplifier | None = None,
) -> Simplified:
    """Replace the file at `path` by a simpler one that gives the same results, or leave it as it was and say why.

    A result is kept where it has fewer nodes, and where the results on every probe, the inputs, the outputs, their free
    axes, the operator sets and the metadata are those of before. "auto" asks onnxsim, and onnxslim where onnxsim's result
    is not kept. No failure of a simplifier, and no limit that it meets, is an error.
    """
    size = path.stat().st_size
    if external_data_path(path).exists():
        reason = "left as it was: its weights lie in a file beside it, which is too large to simplify"
        return Simplified(reason, None, {"tried": [], "kept": None})
    before = onnx.load(path)
    seconds = _seconds(size, len(before.graph.node), limits)
    tried: list[dict[str, Any]] = []
    candidate = _candidate(path)
    deadline = time.monotonic() + seconds
    for name in _ORDER[simplifier]:
        if find_spec(name) is None:
            continue
        attempt: dict[str, Any] = {"simplifier": name}
        tried.insert(0, attempt)
        started = time.monotonic()
        try:
            if begun is not None and begun.name == name:
                begun.finish(attempt)
            else:
                _run(name, path, candidate, max(LEAST_SECONDS, deadline - started), limits, attempt)
            removed, parity = _accept(before, candidate, references, tolerance)
            candidate.replace(path)
            attempt["outcome"] = f"removed {removed} node{'s' if removed > 1 else ''}"
            return Simplified(_note(tried), parity, {"tried": tried, "kept": name})
        except _Refused as refused:
            attempt["outcome"] = str(refused)
            if isinstance(refused, _NothingToRemove):
                break
        finally:
            attempt["seconds"] = round(time.monotonic() - started, 3)
            candidate.unlink(missing_ok=True)
    return Simplified(
        "left as it was: " + (_note(tried) or "no simplifier is installed"), None, {"tried": tried, "kept": None}
    )


def _candidate(path: Path) -> Path:
    return path.with_suffix(".simplified.onnx")


def _seconds(size: int, nodes: int, limits: Limits) -> float:
    return limits.seconds + 0.02 * nodes + 0.2 * size / 1e6


def _run(
    name: str,
    path: Path,
    candidate: Path,
    seconds: float,
    limits: Limits,
    attempt: dict[str, Any],
    stop: threading.Event | None = None,
) -> None:
    """Run a simplifier in a child process, recording peak memory. Raises _Refused where it fails or exceeds a limit."""
    size = path.stat().st_size
    memory = limits.memory_bytes + 8 * size
    child = str(Path(__file__).with_name("simplify_child.py"))
    address_space, processor_seconds = limits.address_space_bytes + 8 * size, int(4 * seconds) + 1
    command = [sys.executable, child, name, str(path), str(candidate), str(address_space), str(processor_seconds)]
    outcome = run_limited(command, seconds=seconds, memory_bytes=memory, stop=stop)
    attempt["peak_bytes"] = outcome.peak_bytes
    if outcome.ended_by == "time":
        raise _Refused(f"took more than {seconds:.0f} s")
    if outcome.ended_by == "memory":
        raise _Refused(f"took more than {bytes_text(memory)} of memory")
    if outcome.exit_code != 0:
        words = outcome.last_words or f"exit code {outcome.exit_code}"
        raise _Refused(f"failed ({words[:160]})")


def _accept(
    before: onnx.ModelProto, candidate: Path, references: References, tolerance: Tolerance
) -> tuple[int, Parity]:
    """Validate a simplified file: (nodes removed, parity). Raises _Refused."""
    size, allowed = before.ByteSize(), _GROWTH * before.ByteSize() + _GROWTH_BYTES
    try:
        if candidate.stat().st_size > allowed:
            raise _Refused(f"made {bytes_text(candidate.stat().st_size)} out of {bytes_text(size)}")
        after = onnx.load(candidate)
    except _Refused:
        raise
    except Exception as error:  # no file, or protobuf's own error
        raise _Refused(f"wrote no model ({error})") from error
    removed = len(before.graph.node) - len(after.graph.node)
    if removed < 0:
        raise _Refused(f"added {-removed} node{'s' if removed < -1 else ''}")
    if removed == 0:
        raise _NothingToRemove("found nothing to remove")
    _restore(before, after)
    onnx.save(after, candidate)
    try:
        return removed, compare(references, candidate, tolerance)
    except CheckFailed as error:
        raise _Refused(f"changed the results ({error})") from error
    except ToolkitError as error:
        raise _Refused(f"wrote a file that onnxruntime does not run ({error})") from error


def _restore(before: onnx.ModelProto, after: onnx.ModelProto) -> None:
    """Restore the dynamic axes' names and the file's metadata in the result. Raises _Refused for other changes."""
    for what in ("input", "output"):
        old, new = list(getattr(before.graph, what)), list(getattr(after.graph, what))
        if [value.name for value in old] != [value.name for value in new]:
            raise _Refused(f"changed an {what}: {[v.name for v in new]} instead of {[v.name for v in old]}")
        for first, second in zip(old, new, strict=True):
            if not _same_type(first, second):
                raise _Refused(f"changed the type or an axis of the {what} {first.name!r}")
            second.CopyFrom(first)
    versions = [{entry.domain: entry.version for entry in model.opset_import} for model in (before, after)]
    if any(versions[0].get(domain) != version for domain, version in versions[1].items()):
        raise _Refused("changed the operator sets")
    kept = {entry.key: entry.value for entry in after.metadata_props}
    lost = [entry.key for entry in before.metadata_props if kept.get(entry.key) != entry.value]
    if lost:
        raise _Refused(f"changed or lost the metadata {', '.join(lost)}")
    del after.metadata_props[:]
    after.metadata_props.extend(before.metadata_props)
    after.ir_version = before.ir_version


def _same_type(before: onnx.ValueInfoProto, after: onnx.ValueInfoProto) -> bool:
    """Test for equal element types, dynamic axes still dynamic, and fixed axes of equal length."""
    old, new = before.type.tensor_type, after.type.tensor_type
    if old.elem_type != new.elem_type or old.HasField("shape") != new.HasField("shape"):
        return False
    lengths = [
        [axis.dim_value if axis.HasField("dim_value") else None for axis in value.shape.dim] for value in (old, new)
    ]
    return lengths[0] == lengths[1]


def _note(tried: list[dict[str, Any]]) -> str:
    return "; ".join(f"{entry['simplifier']} {entry['outcome']}" for entry in tried)
