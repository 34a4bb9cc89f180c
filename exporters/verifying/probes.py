"""Probes: inputs that torch and the file are both run on, every sample at several batch sizes, and other lengths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from exporters.sources.axes import AxisRange
from exporters.subject.dynamic_axes import torch_error
from exporters.subject.lengths import resized, row_axes, row_count, with_rows
from exporters.subject.subject import Subject
from exporters.verifying.masks import masked_inputs

__all__ = ["BATCH_SIZES", "OTHER_LENGTHS", "Probe", "make_probes", "shape_probe"]

BATCH_SIZES = (1, 2, 5)

OTHER_LENGTHS = 5
"""How many shapes other than the example's are run where an axis besides the batch is dynamic."""


@dataclass(frozen=True)
class Probe:
    """One set of inputs for torch and the file.

    Attributes:
        label: its shape in words, such as "batch size 5" or "batch size 2, length 37".
        inputs: torch's inputs, one tensor per input.
        feeds: the file's inputs by name; None where they equal torch's.
    """

    label: str
    inputs: tuple[torch.Tensor, ...]
    feeds: Mapping[str, np.ndarray] | None = None


def make_probes(subject: Subject, batch_sizes: tuple[int, ...] = BATCH_SIZES) -> tuple[Probe, ...]:
    """Make probes: all samples at each batch size where the batch is dynamic, else at the file's; then other lengths.

    Where no input has rows (`exporters.subject.lengths.row_axes`) the samples are one probe, as they are.

    Where an axis besides the batch is dynamic, `OTHER_LENGTHS` shapes follow that are not the example's, fewer only where
    torch takes fewer. Of inputs that are masks rows follow in which all is masked, or nothing.
    """
    sizes: tuple[int | None, ...] = batch_sizes
    if not _is_dynamic(subject):
        rows = row_count(subject)
        sizes = (rows and (subject.rows or rows),)
    return (*_batches(subject, sizes), *_other_lengths(subject, sizes), *_masked(subject))


def batch_probe(subject: Subject, size: int) -> Probe | None:
    """Probe at one batch size; None where torch refuses it."""
    inputs = resized(subject, {"batch": size}, counts=None)
    return Probe(f"batch size {size}", inputs) if torch_error(subject, inputs) is None else None


def length_probe(subject: Subject, name: str, length: int) -> Probe | None:
    """Probe of two rows at one length of one axis; None where torch refuses it."""
    lengths = {name: length, **({"batch": 2} if _is_dynamic(subject) else {})}
    inputs = resized(subject, lengths)
    return Probe(f"{name} {length}", inputs) if torch_error(subject, inputs) is None else None


def shape_probe(subject: Subject, lengths: Mapping[str, int]) -> Probe | None:
    """Probe at any lengths at once, two rows where they name no batch; None where torch refuses them."""
    if "batch" not in lengths and _is_dynamic(subject):
        lengths = {"batch": 2, **lengths}
    inputs = resized(subject, lengths, counts=1.0 if lengths.keys() - {"batch"} else None)
    words = ", ".join(f"{'batch size' if name == 'batch' else name} {length}" for name, length in lengths.items())
    return Probe(words, inputs) if torch_error(subject, inputs) is None else None


def _is_dynamic(subject: Subject) -> bool:
    return any("batch" in axes.values() for axes in subject.axes)


def _batches(subject: Subject, sizes: tuple[int | None, ...]) -> Iterator[Probe]:
    rows = row_count(subject)
    for size in sizes:
        if size is None or rows is None:
            yield Probe("the example's lengths", subject.samples)
            continue
        for start in range(0, max(rows, size), size):
            # the last batch wraps around, so that every batch has this size
            if _is_dynamic(subject):
                inputs = resized(subject, {"batch": size}, start=start, counts=None)
            else:
                inputs = with_rows(subject, size, start)
            yield Probe(f"batch size {size}", inputs)


def _masked(subject: Subject) -> Iterator[Probe]:
    """Probes of two rows, or of the file's, with masks of one value only; fewer where torch takes fewer."""
    inputs = resized(subject, {"batch": 2}, counts=None) if _is_dynamic(subject) else with_rows(subject, subject.rows)
    for words, changed in masked_inputs(inputs, subject.input_names, row_axes(subject)):
        if torch_error(subject, changed) is None:
            yield Probe(words, changed)


def _other_lengths(subject: Subject, sizes: tuple[int | None, ...]) -> Iterator[Probe]:
    """Probes at other shapes than the example's, of various batch sizes."""
    found = 0
    for number, lengths in enumerate(_shapes(subject.ranges)):
        probe = _shaped(subject, lengths, sizes[(number + 1) % len(sizes)], number)
        if probe is not None:
            found += 1
            yield probe
        if found == OTHER_LENGTHS + 1:
            return


def _shapes(ranges: Mapping[str, AxisRange]) -> Iterator[dict[str, int]]:
    """Combinations of all axes' lengths, in different orders so that height and width are not equal by chance."""
    if not ranges:
        return
    several = {name: _spread(span) for name, span in ranges.items()}
    for number in range(max(map(len, several.values()))):
        yield {
            name: lengths[(number + 2 * place) % len(lengths)] if lengths else ranges[name].example
            for place, (name, lengths) in enumerate(several.items())
        }


def _spread(span: AxisRange) -> list[int]:
    """Lengths to probe within the bounds: the example's neighbours, its half, the smallest, greater ones."""
    step, example = span.step, span.example
    wanted = [
        example + step,
        example // 2 // step * step,
        example - step,
        span.minimum,
        example + max(1, example // 4 // step) * step + step,
        span.minimum + step,
        *(example + step * (sign * number) for number in range(2, 40) for sign in (1, -1)),
    ]
    fitting = [length for length in dict.fromkeys(wanted) if length != example and span.holds(length)]
    return fitting[: 3 * OTHER_LENGTHS]


def _shaped(subject: Subject, lengths: Mapping[str, int], size: int | None, number: int) -> Probe | None:
    """Probe of this shape with step counts that torch takes, or None; in every third probe all rows end early."""
    words = ", ".join(f"{name} {length}" for name, length in lengths.items())
    words = words if size is None else f"batch size {size}, {words}"
    if size is not None and _is_dynamic(subject):
        lengths = {"batch": size, **lengths}
    else:
        subject = replace(subject, samples=with_rows(subject, size))
    for counts in (0.7, 1.0, None) if number % 3 == 1 else (1.0, 0.7, None):
        inputs = resized(subject, lengths, start=number, counts=counts)
        if torch_error(subject, inputs) is None:
            return Probe(words, inputs)
    return None
