"""Latency of several files for one row, measured in interleaved rounds so that a busy machine slows all alike."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporters.precision.rows import Feeds
from runtime.session import Session

__all__ = ["Latency", "measure_latency"]

# Seconds of one file's turn in a round. The first run of a turn is not counted: it wakes threads and fills caches.
_TURN = 0.02
_ROUNDS = 15
_LEAST_RUNS = 2


@dataclass(frozen=True)
class Latency:
    """Latency of one row.

    Attributes:
        default: median seconds with onnxruntime's own number of threads.
        single: median seconds with one thread.
        ratio: to the first file's latency: median over the rounds, geometric mean over both numbers of threads.
    """

    default: float
    single: float
    ratio: float


def measure_latency(paths: Mapping[str, Path], feeds: Feeds, outputs: Sequence[str]) -> dict[str, Latency]:
    """Run the files on `feeds` in turns; returns name -> latency, with its ratio to the first file's."""
    default, single = (_rounds(paths, feeds, outputs, threads) for threads in (None, 1))
    first = next(iter(paths))
    found = {}
    for name in paths:
        ratios = [
            statistics.median(own / base for own, base in zip(seconds[name], seconds[first], strict=True))
            for seconds in (default, single)
        ]
        found[name] = Latency(
            statistics.median(default[name]), statistics.median(single[name]), math.prod(ratios) ** 0.5
        )
    return found


def _rounds(
    paths: Mapping[str, Path], feeds: Feeds, outputs: Sequence[str], threads: int | None
) -> dict[str, list[float]]:
    """Median seconds of a run, per round."""
    sessions = {name: Session(path, "cpu", threads=threads) for name, path in paths.items()}
    for session in sessions.values():
        session.run(feeds, outputs)
    found: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(_ROUNDS):
        for name, session in sessions.items():
            session.run(feeds, outputs)
            end = time.perf_counter() + _TURN
            lasted: list[float] = []
            while len(lasted) < _LEAST_RUNS or time.perf_counter() < end:
                started = time.perf_counter()
                session.run(feeds, outputs)
                lasted.append(time.perf_counter() - started)
            found[name].append(statistics.median(lasted))
    return found
