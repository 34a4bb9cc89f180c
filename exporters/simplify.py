"""Simplify a graph in a child process with limits; keep the result only where it is smaller and says the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx

from exporters.subject import Subject
from exporters.verify import ABSOLUTE, RELATIVE, compare
from runtime.errors import ToolkitError

__all__ = ["simplify"]

TIME_LIMIT_SECONDS = 120
MEMORY_LIMIT_BYTES = 4 * 1024**3


def simplify(
    path: Path,
    subject: Subject,
    batch_sizes: tuple[int, ...],
    *,
    time_limit: float = TIME_LIMIT_SECONDS,
    memory_limit: int = MEMORY_LIMIT_BYTES,
    absolute: float = ABSOLUTE,
    relative: float = RELATIVE,
) -> str:
    """Replace the file at `path` by a simpler one that gives the same results; return what was done, or why not.

    The child gets `memory_limit` bytes beyond eight times the file's size.
    """
    candidate = path.with_suffix(".simplified.onnx")
    limit = memory_limit + 8 * path.stat().st_size
    command = [
        sys.executable,
        str(Path(__file__).with_name("simplify_child.py")),
        str(path),
        str(candidate),
        str(limit),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=time_limit, check=False)
        if done.returncode != 0:
            words = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            return f"left as it was: onnxsim failed ({words[:160]})"
        return _accept(path, candidate, subject, batch_sizes, absolute, relative)
    except subprocess.TimeoutExpired:
        return f"left as it was: onnxsim took more than {time_limit:.0f} s"
    finally:
        candidate.unlink(missing_ok=True)


def _accept(
    path: Path, candidate: Path, subject: Subject, batch_sizes: tuple[int, ...], absolute: float, relative: float
) -> str:
    try:
        before, after = onnx.load(path), onnx.load(candidate)
    except Exception as error:  # no file, or protobuf's own error
        return f"left as it was: onnxsim wrote no model ({error})"
    nodes_before, nodes_after = len(before.graph.node), len(after.graph.node)
    if nodes_after >= nodes_before:
        return "left as it was: onnxsim found nothing to remove"
    if _interface(before) != _interface(after):
        return "left as it was: onnxsim changed an input, an output or a dynamic axis"
    try:
        compare(subject, candidate, batch_sizes, absolute=absolute, relative=relative)
    except ToolkitError as error:
        return f"left as it was: onnxsim changed the results ({error})"
    candidate.replace(path)
    return f"onnxsim removed {nodes_before - nodes_after} nodes"


def _interface(model: onnx.ModelProto) -> list[tuple[str, int, tuple[str, ...]]]:
    """Names, element types and axes of the inputs and outputs."""
    values = [*model.graph.input, *model.graph.output]
    return [
        (
            value.name,
            value.type.tensor_type.elem_type,
            tuple(axis.dim_param or str(axis.dim_value) for axis in value.type.tensor_type.shape.dim),
        )
        for value in values
    ]
