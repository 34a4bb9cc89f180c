"""Measure several functions in turns and compare them by ratio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Result", "interleave"]


@dataclass(frozen=True)
class Result:
    """Seconds of each function: the median of its rounds, and the median of the per-round ratios to the first one."""

    seconds: Mapping[str, float]
    ratios: Mapping[str, float]
    rounds: int


def interleave(
    functions: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> Result:
    """Call every function once a round, in turns; the order is turned round each time so that none is always first.

    Seconds are those of `clock`: of the wall unless another is given, such as one of the processor.
    The ratio of a function is the median over the rounds of (its seconds / the first function's seconds in that round).
    """
    names = list(functions)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(warm_up + rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            started = clock()
            functions[name]()
            if number >= warm_up:
                times[name].append(clock() - started)
    first = times[names[0]]
    ratios = {
        name: statistics.median(own / other for own, other in zip(times[name], first, strict=True)) for name in names
    }
    return Result({name: statistics.median(times[name]) for name in names}, ratios, rounds)
