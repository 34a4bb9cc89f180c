"""Picture index: embed folders of pictures into a vector index, search by pictures, draw the neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import runtime.index
from runtime.atomic import atomic_path
from runtime.card import image_inputs
from runtime.console import one_line, table
from runtime.drawing.grid import grid
from runtime.errors import CardError, InputError, VectorIndexError
from runtime.results import Failure

if TYPE_CHECKING:
    from runtime.index.interface import VectorIndex
    from runtime.model import Model

__all__ = [
    "Embedded",
    "Neighbours",
    "draw_neighbours",
    "embed_pictures",
    "neighbour_text",
    "open_picture_index",
    "search_pictures",
    "takes_pictures",
]

_ROWS_PER_TRANSACTION = 4096


@dataclass(frozen=True)
class Embedded:
    """Result of `embed_pictures`: pictures added, total in the index, embedding dimension, metric, and failures."""

    added: int
    total: int
    dim: int
    metric: str
    failures: tuple[Failure, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        failures = [failure.to_dict() for failure in self.failures]
        return {
            "added": self.added,
            "total": self.total,
            "dim": self.dim,
            "metric": self.metric,
            "failures": failures,
        }


@dataclass(frozen=True)
class Neighbours:
    """The neighbours of one query picture, best first; scores are higher for closer ones."""

    query: str
    ids: tuple[str, ...]
    scores: tuple[float, ...]
    paths: tuple[str | None, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        neighbours = [
            {"id": name, "score": score, "path": path}
            for name, score, path in zip(self.ids, self.scores, self.paths, strict=True)
        ]
        return {"query": self.query, "neighbours": neighbours}


def open_picture_index(folder: Path) -> VectorIndex:
    """Open an existing index. Raises VectorIndexError."""
    if not folder.exists():
        raise VectorIndexError(
            f"There is no index at {folder}. Make one with: toolkit embed MODEL PICTURES -o {folder}"
        )
    return runtime.index.open(folder)


def takes_pictures(model: Model) -> None:
    """Refuse a model that takes no pictures.

    Raises:
        CardError: the file has no card, so that nothing tells how a picture is prepared.
        InputError: it takes something else.
    """
    if model.card is None:
        names = [tensor.name for tensor in model.outputs]
        raise CardError(
            f"{model.path} has no model card, so how a picture is prepared for it is not known. Prepare the pictures yourself: "
            f"runtime.load(...).embed(arrays, output={names[0]!r}) in Python takes {'; '.join(map(str, model.inputs))}; its outputs are "
            f"{', '.join(names)}."
        )
    if len(model.card.inputs) != 1 or not image_inputs(model.card.inputs):
        raise InputError(f"{model.path} does not take pictures. Name a model of pictures to embed them.")


def embed_pictures(
    model: Model,
    pictures: Sequence[Path],
    folder: Path,
    *,
    metric: str | None = None,
    dtype: str | None = None,
    roots: Sequence[Path] = (),
    output: str | None = None,
    advance: Callable[[int], None] = lambda _count: None,
) -> Embedded:
    """Embed pictures into the index in `folder`, which is made where there is none.

    A picture's id is its path as given; its metadata holds the whole ``path`` and its ``folder``: the first folder below
    the one of `roots` that it lies in (its class, where there is one folder per class), else the folder that it lies in
    itself. A picture that is in the index already is replaced. Without `metric` and `dtype` an index keeps its own; a new one takes
    cosine and float32. `output` is the model's output to take; None takes the one that the card calls the embedding.

    Raises:
        CardError: the model has no card, or no embedding.
        InputError: the model takes something else than pictures.
        VectorIndexError: the index was made by another model, or refuses a vector.
    """
    takes_pictures(model)
    output = model.embedding_output(output)
    added, failures, dim = 0, [], _embedding_length(model, output)
    attributes = {"model": str(model.path.resolve())} if model.path.is_file() else {}
    space = model.space(output)
    if (folder / "index.sqlite").is_file():
        with runtime.index.open(folder) as known:
            _same_space(known, model, output, f"The index {folder}")
    with runtime.index.open(folder, dim=dim, metric=metric, space=space, dtype=dtype, attributes=attributes) as index:
        ids: list[str] = []
        rows: list[np.ndarray[Any, Any]] = []

        def flush() -> None:
            if ids:
                facts = [
                    {"path": str(Path(name).resolve()), "folder": _class_folder(Path(name), roots)} for name in ids
                ]
                index.add(ids, np.concatenate(rows), facts)
                ids.clear()
                rows.clear()

        try:
            for sources, failed, values in model.embed_stream(list(dict.fromkeys(pictures)), output=output):
                failures += list(failed.values())
                if values is not None:
                    good = [source for position, source in enumerate(sources) if position not in failed]
                    ids += [Path(str(source)).as_posix() for source in good]
                    rows.append(values)
                    added += len(values)
                if len(ids) >= _ROWS_PER_TRANSACTION:
                    flush()
                advance(len(sources))
        finally:  # what is embedded is kept, whatever ends the others
            flush()
        return Embedded(added, len(index), dim, index.metric, tuple(failures))


def search_pictures(
    model: Model,
    index: VectorIndex,
    queries: Sequence[Path],
    count: int,
    where: Sequence[str] = (),
    *,
    output: str | None = None,
    on_failure: Callable[[Failure], None] | None = None,
) -> list[Neighbours]:
    """Find the `count` nearest pictures per query. `where` holds texts ``field=value``; all must hold, one field may
    be repeated to allow several values. `output` is the model's output to take; None takes the one of the index. With `on_failure`, a query that cannot be read is told there, and the others are searched for.

    Raises:
        VectorIndexError: the index was made by another model.
        InputError: a query cannot be read, or a condition is malformed.
        OutputError: the embedding of a query holds NaN or infinity.
    """
    takes_pictures(model)
    made_of = (index.space or "").partition(":")[2]
    output = output or (made_of if made_of in [tensor.name for tensor in model.outputs] else model.embedding_output())
    _same_space(index, model, output)
    names, vectors = _embedded_queries(model, queries, output, on_failure)
    if not names:
        return []
    found = index.search(vectors, count, where=_conditions(where))
    if where and not any(found.ids):
        fields = sorted({name for facts in index.metadata(_some_ids(index, vectors)) for name in facts})
        raise InputError(f"No picture of the index has {' and '.join(where)}. Its fields are: {', '.join(fields)}.")
    results = []
    for query, ids, scores in zip(names, found.ids, found.scores, strict=True):
        paths = tuple(facts.get("path") for facts in index.metadata(ids))
        results.append(Neighbours(query, tuple(ids), tuple(float(score) for score in scores[: len(ids)]), paths))
    return results


def _embedded_queries(
    model: Model, queries: Sequence[Path], output: str, on_failure: Callable[[Failure], None] | None
) -> tuple[list[str], np.ndarray[Any, Any]]:
    """(queries that could be read, their embeddings (n, D))."""
    if on_failure is None:
        return [str(query) for query in queries], model.embed([str(query) for query in queries], output=output)
    names: list[str] = []
    rows: list[np.ndarray[Any, Any]] = []
    for sources, failures, values in model.embed_stream([str(query) for query in queries], output=output):
        for failure in failures.values():
            on_failure(failure)
        names += [str(source) for position, source in enumerate(sources) if position not in failures]
        rows += [] if values is None else [values]
    return names, np.concatenate(rows) if rows else np.empty((0, 0), np.float32)


def draw_neighbours(found: Sequence[Neighbours], target: Path) -> None:
    """Draw one row per query: the query, then its neighbours with their scores."""
    rows = []
    for entry in found:
        row: list[tuple[Any, str]] = [(entry.query, f"query\n{Path(entry.query).name}")]
        for name, score, path in zip(entry.ids, entry.scores, entry.paths, strict=True):
            row.append((path, f"{score:.3f}\n{Path(name).parent.name}/{Path(name).name}"))
        rows.append(row)
    with atomic_path(target) as temporary:
        grid(rows).save(temporary, format="PNG")


def neighbour_text(found: Sequence[Neighbours]) -> str:
    """One text table per query: rank, score, id."""
    parts = []
    for entry in found:
        rows = [
            (rank, f"{score:.4f}", name)
            for rank, (name, score) in enumerate(zip(entry.ids, entry.scores, strict=True), 1)
        ]
        parts.append(f"{one_line(entry.query)}\n" + table(("rank", "score", "neighbour"), rows, right=(0, 1)))
    return "\n\n".join(parts)


def _same_space(index: VectorIndex, model: Model, output: str, name: str = "The index") -> None:
    if index.space is None or index.space == model.space(output):
        return
    digest, _, made_of = index.space.partition(":")
    if digest == model.digest:
        raise VectorIndexError(
            f"{name} was made of the output {made_of!r} of this model, whose vectors cannot be compared with those of {output!r}. "
            f"Take it with --embedding {made_of} (output={made_of!r} in Python), or embed the pictures into another index."
        )
    raise VectorIndexError(
        f"{name} was made by another model than {model.path}, so its vectors cannot be compared with this model's. Name "
        f"the model that made it, or embed the pictures again."
    )


def _some_ids(index: VectorIndex, vectors: np.ndarray[Any, Any]) -> list[str]:
    return list(index.search(vectors[:1], 1).ids[0])


def _class_folder(picture: Path, roots: Sequence[Path]) -> str:
    for root in roots:
        if picture.is_relative_to(root):
            below = picture.relative_to(root).parts
            if len(below) > 1:
                return below[0]
    return picture.resolve().parent.name


def _embedding_length(model: Model, output: str) -> int:
    shape = next(tensor.shape for tensor in model.outputs if tensor.name == output)
    lengths = [length for length in shape[1:] if isinstance(length, int)]
    if not shape or len(lengths) != len(shape) - 1:
        raise InputError(
            f"The output {output!r} of {model.path} has the shape {shape}; rows of a fixed length are expected."
        )
    return int(np.prod(lengths))


def _conditions(where: Sequence[str]) -> dict[str, Any] | None:
    conditions: dict[str, list[str]] = {}
    for text in where:
        name, mark, value = text.partition("=")
        if not mark or not name:
            raise InputError(f"The condition {text!r} is malformed; field=value is expected, such as folder=7.")
        conditions.setdefault(name, []).append(value)
    return conditions or None
