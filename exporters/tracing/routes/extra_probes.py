"""Extra probes: shapes at which a graph may differ, because tracing silently followed one side of a branch."""

from __future__ import annotations

import dis
import itertools
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from exporters.subject.dynamic_axes import example_lengths
from exporters.subject.subject import Subject
from exporters.tracing.routes.guards import condition_on, holds
from exporters.verifying.probes import Probe, shape_probe

__all__ = ["numbers_in", "probes_at_numbers", "probes_beyond"]

# A condition is worked out at these lengths, and at the bounds of every axis.
_LENGTHS = (1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 31, 33, 63, 65, 127, 129, 255, 257, 513, 1025)
# Combinations of lengths that are worked out, and shapes that are run, of each condition.
_COMBINATIONS, _SHAPES_RUN = 20_000, 2
# Lengths that code likes to compare with, where it names none itself.
_LIKELY = (8, 9, 16, 17, 32, 33, 64, 65)
# Inputs of more numbers, and longer axes, are not run.
_MOST_NUMBERS, _LONGEST = 2**22, 2048
_PROBES = 32


def probes_beyond(subject: Subject, conditions: Iterable[str], lowest: Mapping[str, int]) -> Iterator[Probe]:
    """Probes at shapes that violate torch.export's conditions on several lengths together, where torch itself runs.

    torch.export reports a condition on one length, such as ``n <= 20``, but not one on a product of lengths.

    Args:
        subject: its inputs and axes.
        conditions: as an ExportedProgram holds them.
        lowest: axis -> the smallest length declared.
    """
    names = list(example_lengths(subject))
    lengths = [
        sorted({lowest.get(name, 1), *(n for n in _LENGTHS if n >= lowest.get(name, 1) and _within(subject, name, n))})
        for name in names
    ]
    for text in conditions:
        condition = condition_on(text, subject.axes, names)
        if condition is None:
            continue
        several = [dict(zip(names, one, strict=True)) for one in itertools.islice(_small_first(lengths), _COMBINATIONS)]
        missed = (one for one in several if holds(condition, names, one) is False)
        yield from itertools.islice(_run(subject, missed), _SHAPES_RUN)


def probes_at_numbers(subject: Subject, numbers: Iterable[int]) -> Iterator[Probe]:
    """Probes of every dynamic axis at these lengths and one more, smaller ones first, where torch itself runs."""
    wanted = sorted({*_LIKELY, *numbers, *(number + 1 for number in numbers)})
    shapes = (
        {name: length}
        for length in wanted
        for name in example_lengths(subject)
        if 1 <= length <= _LONGEST and _within(subject, name, length)
    )
    yield from itertools.islice(_run(subject, shapes), _PROBES)


def numbers_in(code: types.CodeType) -> set[int]:
    """Integer constants in a function's code, inner functions included."""
    found: set[int] = set()
    values: list[Any] = [step.argval for step in dis.get_instructions(code) if step.opname.startswith("LOAD_")]
    values += code.co_consts
    while values:
        value = values.pop()
        if type(value) is int and value > 0:
            found.add(value)
        elif isinstance(value, tuple | frozenset):
            values += value
        elif isinstance(value, types.CodeType):
            found |= numbers_in(value)
    return found


def _small_first(lengths: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """Every combination of positions, in ascending order of their sum."""
    for total in range(sum(len(one) - 1 for one in lengths) + 1):
        yield from _places(lengths, total)


def _places(lengths: Sequence[Sequence[int]], total: int) -> Iterator[tuple[int, ...]]:
    if not lengths:
        if total == 0:
            yield ()
        return
    for place, length in enumerate(lengths[0][: total + 1]):
        for others in _places(lengths[1:], total - place):
            yield (length, *others)


def _within(subject: Subject, name: str, length: int) -> bool:
    return name not in subject.ranges or subject.ranges[name].holds(length)


def _run(subject: Subject, shapes: Iterable[Mapping[str, int]]) -> Iterator[Probe]:
    for lengths in shapes:
        if _numbers(subject, lengths) <= _MOST_NUMBERS:
            probe = shape_probe(subject, lengths)
            if probe is not None:
                yield probe


def _numbers(subject: Subject, lengths: Mapping[str, int]) -> int:
    total = 0
    for sample, axes in zip(subject.samples, subject.axes, strict=True):
        count = 1
        for axis, length in enumerate(sample.shape):
            count *= lengths.get(axes.get(axis, ""), length)
        total += count
    return total
