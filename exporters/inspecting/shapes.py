"""Shape inference and multiply-adds of an ONNX file, in a child process with limits."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exporters.isolation.limited_process import run_limited
from runtime.card import ModelCard
from runtime.console import bytes_text
from runtime.session import Tensor
from runtime.session.batch_axis import derived_length, find_batch
from runtime.session.tensor import UNNAMED

__all__ = ["FlowShapes", "find_shapes", "input_lengths"]

_SECONDS, _MEMORY_BYTES = 60.0, 3 * 2**30

# Lengths of free axes that nothing tells, by name.
_LENGTHS = {"height": 224, "width": 224, "length": 32}
_OTHER_LENGTH = 16


@dataclass(frozen=True)
class FlowShapes:
    """Inferred shapes and multiply-adds of one run.

    Attributes:
        inputs: input name -> the lengths that shape inference started from.
        shapes: value name -> lengths, where they are known.
        multiply_adds: of one run, or None where inference failed.
        by_node: name of a node's first output -> its multiply-adds.
        uncounted: operator -> nodes whose shapes are not known, which are missing in `multiply_adds`.
        reason: why inference failed, or "".
    """

    inputs: Mapping[str, tuple[int, ...]]
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    multiply_adds: int | None = None
    by_node: Mapping[str, int] = field(default_factory=dict)
    uncounted: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""


def input_lengths(inputs: tuple[Tensor, ...], card: ModelCard | None) -> dict[str, tuple[int, ...]]:
    """Input shapes with one row each: dynamic axes get the card's length, else a usual one; axes of one name have one length."""
    told = {entry.name: entry.fed_shape() for entry in card.inputs if entry.has_preparation} if card else {}
    batch = find_batch(inputs)
    known = {} if batch.name is None else {batch.name: 1}
    lengths: dict[str, list[int]] = {}
    for tensor in inputs:
        rows, row = batch.axes.get(tensor.name, 0), told.get(tensor.name, ())
        axes = [axis for axis in range(len(tensor.shape)) if axis != rows]
        of_card = dict(zip(axes, row, strict=True)) if len(row) == len(axes) else {}
        shape: list[int] = lengths.setdefault(tensor.name, [])
        for axis, length in enumerate(tensor.shape):
            if isinstance(length, int):
                shape.append(length)
            elif length == UNNAMED:
                is_batch = batch.axes.get(tensor.name) == axis
                shape.append(1 if is_batch else of_card.get(axis) or _usual_length(tensor, axis))
            else:
                usual = (
                    of_card.get(axis)
                    or derived_length(length, known)
                    or _LENGTHS.get(length)
                    or _usual_length(tensor, axis)
                )
                shape.append(known.setdefault(length, usual))
    return {name: tuple(shape) for name, shape in lengths.items()}


def _usual_length(tensor: Tensor, axis: int) -> int:
    """Length of a free axis: of a picture's height and width as pictures have, beside 1, 3 or 4 channels."""
    spatial = {1: (2, 3), 3: (1, 2)}
    picture = any(
        len(tensor.shape) == 4 and tensor.shape[channels] in (1, 3, 4) and axis in axes
        for channels, axes in spatial.items()
    )
    return _LENGTHS["height"] if picture else _OTHER_LENGTH


def find_shapes(path: Path, lengths: Mapping[str, tuple[int, ...]], seconds: float = _SECONDS) -> FlowShapes:
    """Infer every shape in a file from its input shapes. Never raises: on failure `reason` says why."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "shapes.json"
        command = [
            sys.executable,
            "-m",
            "exporters.inspecting.shapes_child",
            str(path),
            json.dumps(lengths),
            str(result),
        ]
        outcome = run_limited(command, seconds=seconds, memory_bytes=_MEMORY_BYTES + 4 * path.stat().st_size)
        if outcome.ended_by == "time":
            return FlowShapes(lengths, reason=f"finding its shapes took more than {seconds:.0f} seconds")
        if outcome.ended_by == "memory":
            return FlowShapes(
                lengths, reason=f"finding its shapes took more than {bytes_text(_MEMORY_BYTES)} of memory"
            )
        if outcome.exit_code != 0 or not result.is_file():
            words = outcome.last_words or f"exit code {outcome.exit_code}"
            return FlowShapes(lengths, reason=f"its shapes could not be found: {words[:200]}")
        found = json.loads(result.read_text(encoding="utf-8"))
    shapes = {name: tuple(shape) for name, shape in found["shapes"].items()}
    return FlowShapes(lengths, shapes, found["total"], found["by_node"], found["uncounted"])
