"""Batched runs of one model over many inputs: prepared and run by several workers, in order, with bounded memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.card import ImageInput, InputCard
from runtime.errors import InputError
from runtime.preprocess import Picture, prepare_image, raw_pixels
from runtime.preprocess.inputs import prepare_items
from runtime.results import Failure

if TYPE_CHECKING:
    from concurrent.futures import Future

    import numpy.typing as npt

    from runtime.session import Session

__all__ = ["Chunk", "run_items", "run_pictures", "run_rows"]

# Rows of one run on the CPU: larger inputs gain nothing from a batch and lose the processor's caches.
_CPU_RUN_ELEMENTS = 65_536
_MOST_ROWS = 32
# Pixels that wait at most in a run of unprepared pictures; one picture may have more by itself.
_RAW_ELEMENTS = 2**24
# Texts and sequences that are prepared together.
_ITEMS = 1024


@dataclass(frozen=True)
class Chunk:
    """Results of consecutive inputs: `values` (n, ...) of those that could be read, in order; failures by position."""

    sources: list[str | None]
    failures: dict[int, Failure]
    values: npt.NDArray[Any] | None


def run_rows(session: Session, rows: npt.NDArray[Any], output: str, batch_size: int | None = None) -> npt.NDArray[Any]:
    """Run prepared rows (N, ...) of a one-input model -> `output` (N, ...), in runs of `batch_size` rows.

    A file that insists on a batch size gets full batches; the rows that fill up the last are dropped again.
    """
    if len(session.inputs) != 1:
        names = ", ".join(tensor.name for tensor in session.inputs)
        raise InputError(
            f"{session.path} takes {len(session.inputs)} inputs ({names}); use .run with one array for each."
        )
    name, fixed = session.inputs[0].name, session.fixed_batch
    step = fixed or batch_size or _rows_per_run(session, rows)
    if not len(rows):
        raise InputError("No input was given; at least one is expected.")
    results = []
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        missing = step - len(part) if fixed else 0
        if missing:
            part = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
        result = session.run({name: part}, [output])[output]
        if np.ndim(result) == 0 or len(result) != len(part):
            raise InputError(
                f"The output {output!r} of {session.path} is not one row an input: it has the shape {np.shape(result)} for "
                f"{len(part)} rows. Use .run for it."
            )
        results.append(result[: len(result) - missing] if missing else result)
    return results[0] if len(results) == 1 else np.concatenate(results)


def _rows_per_run(session: Session, rows: npt.NDArray[Any]) -> int:
    if session.device.name != "cpu":
        return 64
    elements = max(1, rows.size // max(1, len(rows)))
    return max(1, min(_MOST_ROWS, _CPU_RUN_ELEMENTS // elements))


def run_pictures(
    session: Session, pictures: Sequence[Picture], card: ImageInput, output: str, workers: int | None = None
) -> Iterator[Chunk]:
    """Run pictures -> chunks of `output`, in order. Each worker decodes, prepares and runs its own pictures."""
    count = workers or os.cpu_count() or 1
    if len(pictures) < 2 * count or count == 1:
        for start in range(0, len(pictures), _MOST_ROWS):
            yield _run_chunk(session, pictures[start : start + _MOST_ROWS], card, output)
        return
    from concurrent.futures import ThreadPoolExecutor

    bulk = session.single_threaded
    size = max(1, min(_MOST_ROWS, len(pictures) // (4 * count)))
    waiting: deque[Future[Chunk]] = deque()
    with ThreadPoolExecutor(count, thread_name_prefix="predict") as pool:
        try:
            for start in range(0, len(pictures), size):
                waiting.append(pool.submit(_run_chunk, bulk, pictures[start : start + size], card, output))
                if len(waiting) >= 2 * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def run_items(session: Session, items: Sequence[Any], card: InputCard, output: str) -> Iterator[Chunk]:
    """Run texts or sequences -> chunks of `output`, in order; a text is its own source."""
    for start in range(0, len(items), _ITEMS):
        part = items[start : start + _ITEMS]
        sources = [item if isinstance(item, str) else None for item in part]
        failures: dict[int, Failure] = {}
        try:
            rows = prepare_items(part, card)
        except InputError:
            good = []
            for index, item in enumerate(part):
                try:
                    good.append(prepare_items([item], card))
                except InputError as error:
                    failures[index] = Failure(sources[index], error)
            if not good:
                yield Chunk(sources, failures, None)
                continue
            rows = np.concatenate(good)
        yield Chunk(sources, failures, run_rows(session, rows, output))


def _run_chunk(session: Session, pictures: Sequence[Picture], card: ImageInput, output: str) -> Chunk:
    sources = [str(picture) if isinstance(picture, str | os.PathLike) else None for picture in pictures]
    failures: dict[int, Failure] = {}
    read = raw_pixels if card.prepared_in_graph else prepare_image
    waiting: list[npt.NDArray[Any]] = []
    results = []
    for index, picture in enumerate(pictures):
        try:
            row = read(picture, card)
        except InputError as error:
            failures[index] = Failure(sources[index], error)
            continue
        # unprepared pictures have sizes of their own, and may be large
        if waiting and (row.shape != waiting[0].shape or (card.prepared_in_graph and _is_much(waiting))):
            results.append(run_rows(session, np.stack(waiting), output))
            waiting = []
        waiting.append(row)
    if waiting:
        results.append(run_rows(session, np.stack(waiting), output))
    return Chunk(sources, failures, np.concatenate(results) if results else None)


def _is_much(rows: list[npt.NDArray[Any]]) -> bool:
    return sum(row.size for row in rows) + rows[0].size > _RAW_ELEMENTS
