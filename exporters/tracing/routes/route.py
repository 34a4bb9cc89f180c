"""Common parts of the routes: function signature, example inputs, silencing, and errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import torch

from exporters.subject.dynamic_axes import example_lengths
from exporters.subject.lengths import resized, with_rows
from exporters.subject.subject import Subject
from exporters.verifying.probes import Probe
from runtime.errors import CheckFailed, ToolkitError

__all__ = ["BranchFound", "Route", "RouteFailed", "example_inputs", "in_one_paragraph"]

# Writes the graph of a subject to a path, and returns further probes that the comparison must run: shapes at which the
# graph is suspected to be another one than at the example's.
Route: TypeAlias = Callable[[Subject, Path], tuple[Probe, ...]]


class RouteFailed(CheckFailed):
    """A route fails to write a file; another may succeed."""


class BranchFound(CheckFailed):
    """The network branches on shapes or values, and no route may freeze one side."""


def example_inputs(subject: Subject) -> tuple[torch.Tensor, ...]:
    """Example inputs for tracing: no batch of 1, which would be baked in, and no two dynamic axes of equal length where possible."""
    lengths = {name: _usable(subject, name, length) for name, length in example_lengths(subject).items()}
    if "batch" not in lengths:
        fixed = replace(subject, samples=with_rows(subject, subject.rows))
        return resized(fixed, lengths, counts=None if lengths == example_lengths(subject) else 1.0)
    others = {
        length
        for sample, axes in zip(subject.samples, subject.axes, strict=True)
        for axis, length in enumerate(sample.shape)
        if axes.get(axis) != "batch"
    }
    rows = next(number for number in (3, 5, 4, 7, 6, 2, 11, 13) if number not in others or number == 13)
    return resized(subject, {**lengths, "batch": rows}, counts=None if lengths == example_lengths(subject) else 1.0)


def _usable(subject: Subject, name: str, length: int) -> int:
    """Length for tracing along a dynamic axis: 1, which would be baked in, is replaced by another valid length."""
    span = subject.ranges.get(name)
    if length > 1 or span is None:
        return length
    return next((other for other in range(2, 65) if span.holds(other)), length)


def in_one_paragraph(error: BaseException) -> str:
    """The innermost cause, in one paragraph."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    if isinstance(error, ToolkitError):
        return text
    return f"{type(error).__name__}: {text[:300].rstrip('.')}."
