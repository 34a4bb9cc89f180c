"""Benchmark of a file on this machine: latency and throughput by batch size."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from runtime.card import InputCard
from runtime.errors import InputError, ModelFileError, ToolkitError, suggest
from runtime.session import Session, Tensor

__all__ = ["Timing", "bench", "measurements", "random_inputs"]

# Height and width of the pictures that a file is measured on which takes any.
_PICTURE = (480, 640)


@dataclass(frozen=True)
class Timing:
    """Seconds for one run of `batch_size` rows: median, 95th and 99th percentile, and rows per second at the median."""

    batch_size: int
    runs: int
    median: float
    p95: float
    p99: float
    rows_per_second: float

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return asdict(self)


def bench(
    session: Session,
    batch_sizes: Sequence[int] = (1, 8, 32),
    *,
    seconds: float = 1.0,
    warm_up: float = 0.2,
    lengths: Mapping[str, int] | None = None,
) -> list[Timing]:
    """Measure random inputs for about `seconds` at each batch size, after a warm-up.

    A file that insists on a batch size is measured at that one.

    Args:
        session: the file.
        batch_sizes: rows of a run.
        seconds: to measure at each batch size.
        warm_up: seconds before that.
        lengths: as for `random_inputs`.

    Raises:
        InputError: a batch size is below 1, or the file's other axes are of unknown length.
        ModelFileError: the file does not run at a batch size.
    """
    timings = []
    for _, found in measurements(session, batch_sizes, seconds=seconds, warm_up=warm_up, lengths=lengths):
        if isinstance(found, ToolkitError):
            raise found
        timings.append(found)
    return timings


def measurements(
    session: Session,
    batch_sizes: Sequence[int],
    *,
    seconds: float = 1.0,
    warm_up: float = 0.2,
    lengths: Mapping[str, int] | None = None,
) -> Iterator[tuple[int, Timing | ToolkitError]]:
    """Measure as `bench`, one batch size after the other: (rows, timing, or why there is none).

    Raises:
        InputError: a batch size is below 1.
    """
    if not batch_sizes or min(batch_sizes) < 1 or not 0 < seconds < math.inf:
        raise InputError(
            f"Batch sizes {list(batch_sizes)} and {seconds} seconds were given; numbers above 0 are expected."
        )
    sizes = [session.fixed_batch] if session.fixed_batch else list(batch_sizes)
    for size in sizes:
        try:
            yield size, _measured(session, size, seconds, warm_up, lengths)
        except (InputError, ModelFileError) as error:
            yield size, error


def _measured(session: Session, size: int, seconds: float, warm_up: float, lengths: Mapping[str, int] | None) -> Timing:
    feeds = random_inputs(session, size, lengths=lengths)
    end = time.perf_counter() + warm_up
    session.run(feeds)
    while time.perf_counter() < end:
        session.run(feeds)
    lasted: list[float] = []
    end = time.perf_counter() + seconds
    while not lasted or time.perf_counter() < end:
        started = time.perf_counter()
        session.run(feeds)
        lasted.append(time.perf_counter() - started)
    median, p95, p99 = (float(np.percentile(lasted, percent)) for percent in (50, 95, 99))
    return Timing(size, len(lasted), median, p95, p99, size / median)


def random_inputs(
    session: Session, batch_size: int, seed: int = 0, lengths: Mapping[str, int] | None = None
) -> dict[str, np.ndarray[Any, Any]]:
    """Random inputs for every input of a file: standard normal floats, small integers, noise for pictures; axis 0 is the batch.

    Args:
        session: the file.
        batch_size: rows.
        seed: of the random numbers.
        lengths: of axes that the file leaves free, by the axis's name, or by input and position such as "input.2". Without it
            the card's lengths are taken, and 480 x 640 pixels where the file prepares pictures of any size by itself.

    Raises:
        InputError: the length of a free axis is in neither `lengths` nor the card, or there is no free axis of a name.
    """
    random = np.random.default_rng(seed)
    cards = {entry.name: entry for entry in session.card.inputs} if session.card is not None else {}
    _check_lengths(session, lengths or {})
    feeds = {}
    for tensor in session.inputs:
        card = cards.get(tensor.name)
        raw = card is not None and card.prepared_in_graph
        shape = [_length(tensor, axis, batch_size, lengths or {}, card) for axis in range(len(tensor.shape))]
        try:
            if 8 * math.prod(shape) > _memory_bytes():
                raise MemoryError
            if tensor.dtype in ("float16", "float32", "float64"):
                feeds[tensor.name] = random.standard_normal(shape).astype(tensor.dtype)
            elif tensor.dtype == "bool" or tensor.dtype.lstrip("u").startswith("int"):
                feeds[tensor.name] = random.integers(0, 256 if raw else 2, shape).astype(tensor.dtype)
            else:
                raise InputError(f"The input {tensor} takes no numbers; only these can be made up for a measurement.")
        except (MemoryError, ValueError) as error:
            raise InputError(
                f"A batch of {batch_size} rows for the input {tensor} does not fit into memory. Measure smaller batches."
            ) from error
    return feeds


def _memory_bytes() -> float:
    """Memory of this machine; infinite where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return math.inf


def _length(tensor: Tensor, axis: int, batch_size: int, lengths: Mapping[str, int], card: InputCard | None) -> int:
    """Length of one axis: the file's, the one given, or the card's."""
    length = tensor.shape[axis]
    if isinstance(length, int):
        return length
    given = lengths.get(length, lengths.get(f"{tensor.name}.{axis}"))
    if given is not None:
        return given
    if axis == 0 or length == "batch":
        return batch_size
    known: tuple[int | None, ...] = () if card is None else card.fed_shape(_PICTURE)
    found = known[axis - 1] if len(known) == len(tensor.shape) - 1 else None
    if found is None:
        name = f"{tensor.name}.{axis}" if length == "?" else length
        raise InputError(
            f"The input {tensor} has free axes besides the batch; the length of {length!r} is not known. Say it with "
            f"--length {name}=100 (lengths={{{name!r}: 100}} in Python)."
        )
    return found


def _check_lengths(session: Session, lengths: Mapping[str, int]) -> None:
    free = {
        name
        for tensor in session.inputs
        for axis, length in enumerate(tensor.shape)
        if not isinstance(length, int)
        for name in (length, f"{tensor.name}.{axis}")
        if name != "?"
    }
    for name, length in lengths.items():
        if name not in free:
            there_is = suggest(name, free) if free else " It has none."
            raise InputError(f"{session.path} has no free axis {name!r}.{there_is}")
        if length < 1:
            raise InputError(f"The length {length} was given for the axis {name!r}; at least 1 is expected.")
