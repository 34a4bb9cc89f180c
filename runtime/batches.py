"""Batched runs of one model over many inputs: prepared and run by several workers, in order, with bounded memory."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from runtime.card import InputCard
from runtime.errors import InputError, OutputError
from runtime.preprocess import Picture
from runtime.preprocess.inputs import prepare_items
from runtime.preprocess.kinds import preprocessor_of
from runtime.preprocess.pixel_budget import PIXELS
from runtime.processors import usable_processors
from runtime.results import Failure

if TYPE_CHECKING:
    from concurrent.futures import Future

    import numpy.typing as npt

    from runtime.preprocess.named_inputs import NamedItems
    from runtime.session import Session

    Array = npt.NDArray[Any]

__all__ = [
    "Chunk",
    "Run",
    "asking",
    "run_items",
    "run_named",
    "run_pictures",
    "run_prepared",
    "run_rows",
    "without_rows",
]

# One run of a session: input name -> array (n, ...); output name -> array (n, ...).
Run: TypeAlias = "Callable[[Session, Mapping[str, Array]], Mapping[str, Array]]"
T = TypeVar("T")

# Rows of one run on the CPU: larger inputs gain nothing from a batch and lose the processor's caches.
_CPU_RUN_ELEMENTS = 65_536
_MOST_ROWS = 32
# Pixels that wait at most in a run of unprepared pictures; one picture may have more by itself.
_RAW_ELEMENTS = 2**24
# Texts and sequences that are prepared together.
_ITEMS = 1024
# Prepared rows of one chunk.
_PREPARED = 4096


@dataclass(frozen=True)
class Chunk:
    """Results of consecutive inputs: `outputs`, name -> (n, ...), of those that could be read, in order; failures by position."""

    sources: list[str | None]
    failures: dict[int, Failure]
    outputs: Mapping[str, Array] | None


def without_rows(chunk: Chunk, broken: Mapping[int, str], path: Path, start: int) -> Chunk:
    """The chunk without rows of its outputs that are no answers, each a failure with its reason.

    Args:
        chunk: of a run.
        broken: row of the outputs -> what it holds, such as "NaN in 3 of the 10 numbers of 'logits'".
        path: of the file, for messages.
        start: inputs before the chunk.
    """
    if not broken or chunk.outputs is None:
        return chunk
    read = [position for position in range(len(chunk.sources)) if position not in chunk.failures]
    failures = dict(chunk.failures)
    for row, words in broken.items():
        source = chunk.sources[read[row]]
        what = f"row {start + read[row] + 1}" if source is None else repr(source)
        failures[read[row]] = Failure(
            source,
            OutputError(
                f"{path} gives no answer to {what}: {words}. Look at the input; where every input gives this, train or export "
                f"the model again."
            ),
        )
    good = [row for row in range(len(read)) if row not in broken]
    outputs = {name: array[good] for name, array in chunk.outputs.items()} if good else None
    return Chunk(chunk.sources, failures, outputs)


def asking(*outputs: str) -> Run:
    """A run that computes these outputs."""
    return lambda session, feeds: session.run(feeds, outputs)


def run_rows(
    session: Session, rows: Array | Mapping[str, Array], run: Run, batch_size: int | None = None
) -> Mapping[str, Array]:
    """Run prepared rows -> output name -> array (N, ...), in runs of `batch_size` rows.

    A file that insists on a batch size gets full batches; the rows that fill up the last are dropped again. Rows are in the first
    axis here, and in the file along the axis that is its batch by name.

    Args:
        session: the file.
        rows: (N, ...) of a model of one input; else input name -> (N, ...).
        run: what is run on each batch.
        batch_size: rows of a run; None takes what suits the device.

    Raises:
        InputError: there is no row, there are other inputs, an input of the file has no rows, or an output is not one row per
            input.
    """
    feeds = rows if isinstance(rows, Mapping) else {_only_input(session): rows}
    count = len(next(iter(feeds.values())))
    fixed = session.fixed_batch
    step = fixed or batch_size or _rows_per_run(session, feeds)
    if not count:
        raise InputError("No input was given; at least one is expected.")
    _check_inputs(session)
    batch = session.batch
    results = []
    for start in range(0, count, step):
        part = {name: array[start : start + step] for name, array in feeds.items()}
        taken = min(step, count - start)
        missing = step - taken if fixed else 0
        if missing:
            part = {name: np.concatenate([array, np.repeat(array[-1:], missing, 0)]) for name, array in part.items()}
        found = batch.rows_first(run(session, batch.as_in_file(part)))
        _check_rows(session, found, part, run)
        results.append({name: array[:taken] for name, array in found.items()} if missing else found)
    return _joined(results)


def _only_input(session: Session) -> str:
    if len(session.inputs) != 1:
        names = ", ".join(tensor.name for tensor in session.inputs)
        raise InputError(
            f"{session.path} takes {len(session.inputs)} inputs ({names}); use .run in Python, with one array for each."
        )
    return session.inputs[0].name


def _check_inputs(session: Session) -> None:
    """Raise InputError where an input of the file has no rows, or the inputs have no batch in common."""
    batch = session.batch
    without = [tensor for tensor in session.inputs if tensor.name not in batch.axes]
    if without and session.fixed_batch is None:
        raise InputError(
            f"{session.path} takes {'; '.join(map(str, session.inputs))}: {without[0].name!r} has no axis of the batch, so the model "
            f"is not run row by row. Use .run in Python, with one array for each."
        )


def _check_rows(session: Session, outputs: Mapping[str, Array], rows: Mapping[str, Array], run: Run) -> None:
    """Raise InputError for an output that is not one row an input.

    Where the file does not declare it, a run of another number of rows tells: two lengths may be equal by chance.
    """
    count = len(next(iter(rows.values())))
    for name, array in outputs.items():
        if not isinstance(array, np.ndarray) or array.ndim == 0 or len(array) != count:
            raise _no_rows(session, name, array, count)
    unknown = [name for name in outputs if name not in session.row_outputs]
    if unknown and session.fixed_batch is None:
        other = 1 if count > 1 else 2
        part = {name: np.concatenate([array[:1]] * other) for name, array in rows.items()}
        again = session.batch.rows_first(run(session, session.batch.as_in_file(part)))
        for name in unknown:
            if np.ndim(again[name]) == 0 or len(again[name]) != other:
                raise _no_rows(session, name, again[name], other)
    session.row_outputs.update(unknown)


def _no_rows(session: Session, name: str, array: Array, count: int) -> InputError:
    shown = f"it has the shape {array.shape}" if isinstance(array, np.ndarray) else f"it is a {type(array).__name__}"
    return InputError(
        f"The output {name!r} of {session.path} is not one row an input: {shown} for {count} "
        f"row{'s' * (count > 1)}. Use .run in Python for it."
    )


def _joined(results: Sequence[Mapping[str, Array]]) -> Mapping[str, Array]:
    """Outputs of consecutive runs put together; those of a single run are not copied."""
    if len(results) == 1:
        return results[0]
    return {name: np.concatenate([found[name] for found in results]) for name in results[0]}


def _rows_per_run(session: Session, feeds: Mapping[str, Array]) -> int:
    if session.device.name != "cpu":
        return 64
    elements = max(1, sum(array.size // max(1, len(array)) for array in feeds.values()))
    return max(1, min(_MOST_ROWS, _CPU_RUN_ELEMENTS // elements))


def run_prepared(session: Session, rows: Array | Mapping[str, Array], run: Run) -> Iterator[Chunk]:
    """Run prepared rows, as `run_rows` takes them -> chunks, in order."""
    count = len(next(iter(rows.values()))) if isinstance(rows, Mapping) else len(rows)
    for start in range(0, count, _PREPARED):
        part = slice(start, min(start + _PREPARED, count))
        taken = {name: array[part] for name, array in rows.items()} if isinstance(rows, Mapping) else rows[part]
        yield Chunk([None] * (part.stop - part.start), {}, run_rows(session, taken, run))


def run_pictures(
    session: Session, pictures: Sequence[Picture], card: InputCard, run: Run, workers: int | None = None
) -> Iterator[Chunk]:
    """Run pictures -> chunks, in order. Each worker decodes, prepares and runs its own pictures."""

    def chunk(session: Session, start: int, stop: int) -> Chunk:
        return _picture_chunk(session, pictures[start:stop], card, run)

    return _by_workers(session, len(pictures), chunk, workers)


def run_named(
    session: Session, items: NamedItems, cards: Sequence[InputCard], run: Run, workers: int | None = None
) -> Iterator[Chunk]:
    """Run items of several inputs -> chunks, in order. Each worker prepares and runs its own."""
    arrays = {name: values for name, values in items.values.items() if isinstance(values, np.ndarray)}
    if len(arrays) == len(items.values):
        return run_prepared(session, arrays, run)

    def chunk(session: Session, start: int, stop: int) -> Chunk:
        return _named_chunk(session, items.take(start, stop), cards, run)

    return _by_workers(session, len(items), chunk, workers)


def _by_workers(
    session: Session, total: int, chunk: Callable[[Session, int, int], Chunk], workers: int | None
) -> Iterator[Chunk]:
    """Make chunks of `total` inputs, (session, start, stop) -> chunk, by several workers; in order."""
    count = workers or (usable_processors() if total > 1 else 1)
    if total < 2 * count or count == 1:
        for start in range(0, total, _MOST_ROWS):
            yield chunk(session, start, min(start + _MOST_ROWS, total))
        return
    from concurrent.futures import ThreadPoolExecutor

    bulk = session.single_threaded
    size = max(1, min(_MOST_ROWS, total // (4 * count)))
    waiting: deque[Future[Chunk]] = deque()
    with ThreadPoolExecutor(count, thread_name_prefix="predict") as pool:
        try:
            for start in range(0, total, size):
                waiting.append(pool.submit(chunk, bulk, start, min(start + size, total)))
                if len(waiting) >= 2 * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def run_items(session: Session, items: Sequence[Any], card: InputCard, run: Run) -> Iterator[Chunk]:
    """Run texts or sequences -> chunks, in order; a text is its own source."""
    for start in range(0, len(items), _ITEMS):
        part = items[start : start + _ITEMS]
        sources = [item if isinstance(item, str) else None for item in part]
        failures: dict[int, Failure] = {}
        try:
            rows = prepare_items(part, card)
        except InputError:
            good = _readable(part, lambda item: prepare_items([item], card), sources, failures)
            if not good:
                yield Chunk(sources, failures, None)
                continue
            rows = np.concatenate(good)
        yield Chunk(sources, failures, run_rows(session, rows, run))


def _readable(
    items: Sequence[Any], prepare: Callable[[Any], T], sources: Sequence[str | None], failures: dict[int, Failure]
) -> list[T]:
    """Prepare each item by itself; those that cannot be read go into `failures`, by position."""
    good = []
    for index, item in enumerate(items):
        try:
            good.append(prepare(item))
        except InputError as error:
            failures[index] = Failure(sources[index], error)
    return good


def _picture_chunk(session: Session, pictures: Sequence[Picture], card: InputCard, run: Run) -> Chunk:
    sources = [str(picture) if isinstance(picture, str | os.PathLike) else None for picture in pictures]
    failures: dict[int, Failure] = {}
    preprocessor = preprocessor_of(card)
    waiting: list[Array] = []
    results = []
    for index, picture in enumerate(pictures):
        try:
            row = preprocessor.feed_one(picture, card)
        except InputError as error:
            failures[index] = Failure(sources[index], error)
            continue
        # unprepared pictures have sizes of their own, and may be large
        if waiting and (row.shape != waiting[0].shape or (card.prepared_in_graph and _is_much(waiting))):
            results.append(_run_pictures(session, waiting, card, run))
            waiting = []
        waiting.append(row)
    if waiting:
        results.append(_run_pictures(session, waiting, card, run))
    return Chunk(sources, failures, _joined(results) if results else None)


def _run_pictures(session: Session, rows: list[Array], card: InputCard, run: Run) -> Mapping[str, Array]:
    # a file that prepares its pictures by itself makes float32 of all their pixels
    with PIXELS.taken(sum(math.prod(row.shape[:2]) for row in rows) if card.prepared_in_graph else 0):
        return run_rows(session, np.stack(rows), run)


def _is_much(rows: list[Array]) -> bool:
    return sum(row.size for row in rows) + rows[0].size > _RAW_ELEMENTS


def _named_chunk(session: Session, items: NamedItems, cards: Sequence[InputCard], run: Run) -> Chunk:
    sources, failures = items.sources, dict[int, Failure]()

    def prepare(index: int) -> dict[str, Array]:
        return {card.name: _prepared(items.values[card.name], index, card) for card in cards}

    rows = _readable(range(len(items)), prepare, sources, failures)
    groups: list[list[dict[str, Array]]] = []
    for row in rows:
        # unprepared pictures have sizes of their own
        if not groups or any(row[name].shape != array.shape for name, array in groups[-1][0].items()):
            groups.append([])
        groups[-1].append(row)
    results = [
        run_rows(session, {card.name: np.stack([row[card.name] for row in group]) for card in cards}, run)
        for group in groups
    ]
    return Chunk(sources, failures, _joined(results) if results else None)


def _prepared(items: Sequence[Any] | Array, index: int, card: InputCard) -> Array:
    """One prepared row of an input. Raises InputError where it cannot be read."""
    if isinstance(items, np.ndarray):
        row: Array = items[index]
        return row
    return preprocessor_of(card).feed_one(items[index], card)
