"""Resizing of real samples: rows repeated, other axes stretched, step counts scaled accordingly.

Axes belong together by their name alone: rows lie along the axes called batch, in any place.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from exporters.subject.subject import Subject

__all__ = ["cycle", "resized", "row_axes", "row_count", "with_rows"]


def cycle(sample: torch.Tensor, rows: int, start: int = 0, axis: int = 0) -> torch.Tensor:
    """Repeat rows cyclically from `start` on, (n, ...) -> (rows, ...); sorted back into their original order.

    Networks over packed sequences may rely on rows sorted by length.
    """
    return sample.index_select(axis, ((torch.arange(rows) + start) % sample.shape[axis]).sort().values)


def row_axes(subject: Subject) -> tuple[int | None, ...]:
    """Axis of each input along which its rows lie; None for an input without rows.

    It is the axis called batch. Where no axis is called so, the batch is fixed: the first axis of every input, if none of these
    has another name and all are as long; else no input has rows.
    """
    if any("batch" in axes.values() for axes in subject.axes):
        return tuple(next((axis for axis, name in axes.items() if name == "batch"), None) for axes in subject.axes)
    lengths = {sample.shape[0] if sample.ndim else None for sample in subject.samples}
    plain = len(lengths) == 1 and None not in lengths and not any(0 in axes for axes in subject.axes)
    return (0 if plain else None,) * len(subject.samples)


def row_count(subject: Subject, inputs: tuple[torch.Tensor, ...] | None = None) -> int | None:
    """Number of rows of inputs, of the samples where none are given; None where no input has rows."""
    given = subject.samples if inputs is None else inputs
    pairs = zip(given, row_axes(subject), strict=True)
    return next((int(tensor.shape[axis]) for tensor, axis in pairs if axis is not None), None)


def with_rows(subject: Subject, rows: int | None, start: int = 0) -> tuple[torch.Tensor, ...]:
    """The samples' rows from `start` on, repeated to `rows` of them; the samples as they are where `rows` is None."""
    if rows is None:
        return subject.samples
    places = zip(subject.samples, row_axes(subject), strict=True)
    return tuple(sample if axis is None else cycle(sample, rows, start, axis) for sample, axis in places)


def resized(
    subject: Subject,
    lengths: Mapping[str, int],
    *,
    start: int = 0,
    counts: float | None = 1.0,
) -> tuple[torch.Tensor, ...]:
    """Resize the samples of a subject along its dynamic axes; axes that are not named stay.

    Along the batch rows are repeated. Along other axes positions are stretched, the nearest one taken: a mask keeps its
    padding at the same end, and inputs of one length stay together. Whole numbers without such an axis that count steps,
    all of them between 1 and the length, are stretched too.

    Args:
        subject: its samples and axes.
        lengths: axis name -> length.
        start: the first row taken.
        counts: the greatest such count as a share of the new length; None leaves the counts as they are.
    """
    return tuple(_one(subject, place, sample, lengths, start, counts) for place, sample in enumerate(subject.samples))


def _one(
    subject: Subject, place: int, sample: torch.Tensor, lengths: Mapping[str, int], start: int, counts: float | None
) -> torch.Tensor:
    axes = subject.axes[place]
    if counts is not None and set(axes.values()) <= {"batch"}:
        sample = _counted(subject, sample, lengths, counts)
    for axis, name in axes.items():
        if name in lengths:
            length, before = lengths[name], sample.shape[axis]
            if name == "batch":
                sample = cycle(sample, length, start, axis)
            elif length != before:
                sample = sample.index_select(axis, ((torch.arange(length) * 2 + 1) * before) // (2 * length))
    return sample


def _counted(subject: Subject, sample: torch.Tensor, lengths: Mapping[str, int], share: float) -> torch.Tensor:
    """Scale step counts in proportion to the new length, at least 1. Any other tensor is returned as it is."""
    if sample.ndim != 1 or sample.dtype not in (torch.int32, torch.int64) or int(sample.min()) < 1:
        return sample
    for other, axes in zip(subject.samples, subject.axes, strict=True):
        for axis, name in axes.items():
            before, length = other.shape[axis], lengths.get(name)
            if name != "batch" and length is not None and int(sample.max()) <= before:
                most = max(1, round(length * share))
                return (sample * most).div(sample.max(), rounding_mode="floor").clamp(min=1)
    return sample
