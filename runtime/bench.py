"""How fast a file runs here: latency and throughput by batch size."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from runtime.errors import InputError
from runtime.session import Session

__all__ = ["Timing", "bench", "random_inputs"]


@dataclass(frozen=True)
class Timing:
    """Seconds for one run of `batch_size` rows: median, 95th and 99th percentile, and rows a second at the median."""

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
    session: Session, batch_sizes: Sequence[int] = (1, 8, 32), *, seconds: float = 1.0, warm_up: float = 0.2
) -> list[Timing]:
    """Run random inputs for about `seconds` at each batch size, after a warm-up.

    A file that insists on a batch size is measured at that one.

    Raises:
        InputError: a batch size is below 1, or the file's other axes are of unknown length.
    """
    if not batch_sizes or min(batch_sizes) < 1 or seconds <= 0:
        raise InputError(
            f"Batch sizes {list(batch_sizes)} and {seconds} seconds were given; numbers above 0 are expected."
        )
    sizes = [session.fixed_batch] if session.fixed_batch else list(batch_sizes)
    timings = []
    for size in sizes:
        feeds = random_inputs(session, size)
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
        timings.append(Timing(size, len(lasted), median, p95, p99, size / median))
    return timings


def random_inputs(session: Session, batch_size: int, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Standard normal floats, small whole numbers, for every input of a file; the first free axis is the batch.

    Raises:
        InputError: an axis other than the first is of unknown length.
    """
    random = np.random.default_rng(seed)
    feeds = {}
    for tensor in session.inputs:
        shape = [length if isinstance(length, int) else batch_size for length in tensor.shape]
        free = [axis for axis, length in enumerate(tensor.shape) if not isinstance(length, int)]
        if any(axis > 0 for axis in free):
            raise InputError(f"The input {tensor} has free axes besides the batch; their lengths are not known.")
        try:
            if tensor.dtype in ("float16", "float32", "float64"):
                feeds[tensor.name] = random.standard_normal(shape).astype(tensor.dtype)
            elif tensor.dtype == "bool" or tensor.dtype.lstrip("u").startswith("int"):
                feeds[tensor.name] = random.integers(0, 2, shape).astype(tensor.dtype)
            else:
                raise InputError(f"The input {tensor} takes no numbers; only these can be made up for a measurement.")
        except (MemoryError, ValueError) as error:
            raise InputError(
                f"A batch of {batch_size} rows for the input {tensor} does not fit into memory. Measure smaller batches."
            ) from error
    return feeds
