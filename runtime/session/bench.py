"""Benchmark of a file on this machine: latency and throughput by batch size."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from runtime.card import InputCard
from runtime.errors import InputError, ModelFileError, ToolkitError, suggest
from runtime.session import Session, Tensor
from runtime.session.batch_axis import derived_length
from runtime.session.memory import machine_memory, peak_memory
from runtime.session.tensor import DTYPES, UNNAMED

__all__ = ["Timing", "bench", "measurements", "random_inputs"]

# Height and width of the pictures that a file is measured on which takes any.
_PICTURE = (480, 640)
# Axes of an array in a sequence, of which the file tells nothing.
_MOST_AXES = 8


@dataclass(frozen=True)
class Timing:
    """Seconds for one run of `batch_size` rows: median, 95th and 99th percentile, and rows per second at the median.

    A file without a batch has one row a run. `peak_memory` is the most bytes that the process has had until the end of the
    measurement, Python, the model and what was measured before included, a GPU's memory not; None where the system does not tell.
    """

    batch_size: int
    runs: int
    median: float
    p95: float
    p99: float
    rows_per_second: float
    peak_memory: int | None = None

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

    A file that insists on a batch size is measured at that one, and so is one whose batch has its length in `lengths`.

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
    _check_lengths(session, lengths or {})
    told = _told(session, lengths or {}).get(session.batch.name or "", session.batch.fixed)
    sizes = list(batch_sizes) if session.batch.name is not None and told is None else [told or 1]
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
    return Timing(size, len(lasted), median, p95, p99, size / median, peak_memory())


def random_inputs(
    session: Session, batch_size: int, seed: int = 0, lengths: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Random inputs for every input of a file: standard normal floats, small integers, noise for pictures, short texts.

    Optional inputs are left out. A sequence is a list of as many arrays as `lengths` gives for its name, each of the lengths given
    for "name.0", "name.1" and so on.

    Axes of one name have one length; `session.batch` tells which are the batch.

    Args:
        session: the file.
        batch_size: rows.
        seed: of the random numbers.
        lengths: of axes that the file leaves free, by the axis's name, or by input and position such as "input.2". Without it
            the card's lengths are taken, and 480 x 640 pixels where the file prepares pictures of any size by itself.

    Raises:
        InputError: the length of a free axis is in neither `lengths` nor the card, a name gets two lengths, or there is no free
            axis of a name.
    """
    random = np.random.default_rng(seed)
    cards = {entry.name: entry for entry in session.card.inputs} if session.card is not None else {}
    _check_lengths(session, lengths or {})
    shapes = _shapes(session, batch_size, lengths or {}, cards)
    counts = _sequence_lengths(session, lengths or {})
    feeds: dict[str, Any] = {}
    for tensor in session.inputs:
        card = cards.get(tensor.name)
        raw = card is not None and card.prepared_in_graph
        shape = shapes[tensor.name]
        try:
            if 8 * math.prod(shape) * counts.get(tensor.name, 1) > machine_memory():
                raise MemoryError
            if tensor.name in counts:
                dtype = DTYPES.get(tensor.dtype[len("seq(") : -1], tensor.dtype)
                made = [_random(random, tensor, dtype, shape, 2) for _ in range(counts[tensor.name])]
                feeds[tensor.name] = made
            else:
                feeds[tensor.name] = _random(random, tensor, tensor.dtype, shape, 256 if raw else 2)
        except (MemoryError, ValueError) as error:
            raise InputError(
                f"A batch of {batch_size} rows for the input {tensor} does not fit into memory. Measure smaller batches."
            ) from error
    return feeds


def _random(random: np.random.Generator, tensor: Tensor, dtype: str, shape: Sequence[int], limit: int) -> Any:
    """Random array: whole numbers from 0 up to `limit`."""
    if dtype in ("float16", "float32", "float64"):
        return random.standard_normal(shape).astype(dtype)
    if dtype == "bool" or dtype.lstrip("u").startswith("int"):
        return random.integers(0, limit, shape).astype(dtype)
    if dtype == "object":
        return np.full(shape, "text", object)
    raise InputError(
        f"The input {tensor} takes neither numbers nor texts; only these can be made up for a measurement."
    )


def _sequence_lengths(session: Session, lengths: Mapping[str, int]) -> dict[str, int]:
    """Input that is a sequence -> how many arrays it is given. Raises InputError where that is not told."""
    found = {
        tensor.name: lengths.get(tensor.name) for tensor in session.inputs if tensor.dtype.startswith("seq(tensor(")
    }
    for name, length in found.items():
        if length is None:
            raise InputError(
                f"The input {name!r} is a sequence of any length. Say how many arrays it has, and how long their axes are, with "
                f"--length {name}=3 --length {name}.0=100 (lengths={{{name!r}: 3, '{name}.0': 100}} in Python)."
            )
    return {name: length for name, length in found.items() if length is not None}


def _shapes(
    session: Session, batch_size: int, lengths: Mapping[str, int], cards: Mapping[str, InputCard]
) -> dict[str, list[int]]:
    """Shape of every input: the file's lengths, those given, the batch's, the card's, and those computed from them."""
    known = _told(session, lengths)
    if session.batch.name is not None:
        known.setdefault(session.batch.name, batch_size)
    for tensor in session.inputs:
        card, rows = cards.get(tensor.name), session.batch.axes.get(tensor.name, 0)
        row: tuple[int | None, ...] = () if card is None else card.fed_shape(_PICTURE)
        axes = [axis for axis in range(len(tensor.shape)) if axis != rows]
        for axis, length in zip(axes, row, strict=True) if len(row) == len(axes) else ():
            if length is not None:
                known.setdefault(_key(session, tensor, axis), length)
    return {
        tensor.name: [_length(session, tensor, axis, known) for axis in range(len(tensor.shape))]
        if tensor.has_axes
        else [lengths[key] for axis in range(_MOST_AXES) if (key := f"{tensor.name}.{axis}") in lengths]
        for tensor in session.inputs
    }


def _key(session: Session, tensor: Tensor, axis: int) -> str:
    """What the length of an axis goes by: its name; its place where it has none and is not the batch."""
    name = tensor.shape[axis]
    is_batch = session.batch.name is not None and session.batch.axes.get(tensor.name) == axis
    return str(session.batch.name) if is_batch else f"{tensor.name}.{axis}" if name == UNNAMED else str(name)


def _told(session: Session, lengths: Mapping[str, int]) -> dict[str, int]:
    """Lengths as given, by the axes' names. Raises InputError where one name gets two."""
    known: dict[str, int] = {}
    for tensor in session.inputs:
        for axis, name in enumerate(tensor.shape):
            given = lengths.get(f"{tensor.name}.{axis}", lengths.get(str(name)))
            if isinstance(name, int) or given is None:
                continue
            if known.setdefault(_key(session, tensor, axis), given) != given:
                raise InputError(
                    f"The axis {name!r} was given the lengths {known[_key(session, tensor, axis)]} and {given}; axes of one name "
                    f"have one length. Say it once, by the name."
                )
    return known


def _length(session: Session, tensor: Tensor, axis: int, known: Mapping[str, int]) -> int:
    """Length of one axis. Raises InputError where it is not known."""
    length = tensor.shape[axis]
    if isinstance(length, int):
        return length
    key = _key(session, tensor, axis)
    found = known.get(key) or derived_length(key, known)
    if found is None:
        raise InputError(
            f"The input {tensor} has free axes besides the batch; the length of {length!r} is not known. Say it with "
            f"--length {key}=100 (lengths={{{key!r}: 100}} in Python)."
        )
    return found


def _check_lengths(session: Session, lengths: Mapping[str, int]) -> None:
    free = {
        name
        for tensor in session.inputs
        for axis, length in enumerate(tensor.shape)
        if not isinstance(length, int)
        for name in (length, f"{tensor.name}.{axis}")
        if name != UNNAMED
    }
    for tensor in session.inputs:
        if not tensor.has_axes:
            free |= {tensor.name, *(f"{tensor.name}.{axis}" for axis in range(_MOST_AXES))}
    for name, length in lengths.items():
        if name not in free:
            there_is = suggest(name, free) if free else " It has none."
            raise InputError(f"{session.path} has no free axis {name!r}.{there_is}")
        if length < 1:
            raise InputError(f"The length {length} was given for the axis {name!r}; at least 1 is expected.")
