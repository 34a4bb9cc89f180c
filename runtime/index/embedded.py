"""The embedded index: exact, in a folder, without a server. It combines the store, the view and the scan."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from runtime.errors import VectorIndexError, suggest
from runtime.index import checks, scan
from runtime.index.interface import DTYPES, METRICS, SearchResult
from runtime.index.matrix import Matrix, RowAltered
from runtime.index.schema import MOST_ELEMENTS, IndexInfo, agree
from runtime.index.store import Store
from runtime.index.view import View
from runtime.index.where import parse

__all__ = ["EmbeddedIndex"]

_Result = TypeVar("_Result")


class EmbeddedIndex:
    """A `VectorIndex` in a folder.

    Several processes may read it while one writes. Each call sees one committed state. Threads may share it; their calls
    take turns. Deleted and replaced vectors stay in the file, unreachable, until they are more than half of the
    rows; then the file is compacted.

    Args and raises: see `runtime.index.open`.
    """

    def __init__(
        self,
        folder: str,
        *,
        dim: int | None,
        metric: str | None,
        space: str | None,
        dtype: str | None,
        attributes: Mapping[str, Any] | None,
        create: bool | None,
    ) -> None:
        _check_settings(dim, metric, space, dtype, create)
        kept = json.loads(checks.facts_json(attributes, "attributes"))
        path = Path(folder)
        new = None
        if dim is not None and create is not False:
            new = IndexInfo(int(dim), metric or "cosine", space, dtype or "float32", kept)
        self._store = Store(path, new)
        try:
            agree(self._store.facts, {"dim": dim, "metric": metric, "space": space, "dtype": dtype}, path)
        except VectorIndexError:
            self._store.close()
            raise
        self._facts = self._store.facts
        self._view = View(self.metric, Matrix(path, self.dim))
        self._lock = threading.RLock()

    @property
    def dim(self) -> int:
        return self._facts.dim

    @property
    def metric(self) -> str:
        return self._facts.metric

    @property
    def space(self) -> str | None:
        return self._facts.space

    @property
    def dtype(self) -> str:
        """Storage dtype of the vectors, one of `DTYPES`."""
        return self._facts.dtype

    @property
    def attributes(self) -> dict[str, Any]:
        return dict(self._facts.attributes)

    def add(
        self, ids: Sequence[str], vectors: npt.ArrayLike, metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> None:
        """Add vectors in one transaction; an id that is there already is replaced, with its metadata.

        Args:
            ids: N different non-empty texts.
            vectors: (N, dim) numbers, stored in the dtype of the index.
            metadata: N mappings that JSON can hold; None is an empty one for each.

        Raises:
            VectorIndexError: another shape; NaN, infinity, a number beyond the dtype, or a zero vector for cosine; empty or
                duplicate ids; metadata that JSON cannot hold. Nothing is added then.
        """
        names = checks.checked_ids(ids, unique=True)
        array = checks.checked_vectors(vectors, names, self.dim)
        texts, fields = checks.checked_metadata(metadata, names)
        if not names:
            return
        with self._lock, self._store.writing():
            self._store.tombstone(names)
            first = self._store.append(checks.blocks(array, names, self.dtype, self.metric))
            self._store.insert(first, names, texts, fields)

    def search(
        self,
        queries: npt.ArrayLike,
        k: int = 10,
        where: Mapping[str, Any] | None = None,
        exact: bool | None = None,
    ) -> SearchResult:
        """The k best for each query, as a full scan in float64 would find them; the earlier added first among equals.

        Args:
            queries: (Q, dim) numbers, or one (dim,) query.
            k: how many; fewer come back where the index, or the filter, offers fewer.
            where: a filter on metadata, as `runtime.index.where` describes.
            exact: for engines that approximate. This one never does, so False, "an approximation will do", changes nothing.

        Returns:
            ids, Q lists or one flat list, and scores (Q, m) or (m,) float32, higher is better.

        Raises:
            VectorIndexError: another shape; NaN, infinity, or a zero query for cosine; `k` below 1; a filter that is not one.
        """
        rows, single = checks.checked_queries(queries, self.dim, self.metric)
        wanted = checks.checked_count(k)
        conditions = parse(where)

        def nearest(view: View) -> tuple[list[list[int]], npt.NDArray[np.float64], dict[int, str]]:
            mask = view.alive
            for condition in conditions:
                matching = np.zeros(len(mask), bool)
                places = self._store.matching(condition) - view.first
                matching[places[(places >= 0) & (places < len(mask))]] = True
                mask = mask & matching
            numbers, scores = scan.nearest(view, rows, wanted, mask)  # (Q, m) both
            return (numbers + view.first).tolist(), scores, view.names(self._store, np.unique(numbers))

        places, scores, names = self._on_view(nearest)
        try:
            ids = [[names[place] for place in own] for own in places]
        except KeyError as error:
            raise VectorIndexError(
                f"the index is damaged: place {error} has no id. Bring it back from a copy."
            ) from error
        with np.errstate(over="ignore"):  # a product beyond float32 is infinity
            values = scores.astype(np.float32)
        return SearchResult(ids[0], values[0]) if single else SearchResult(ids, values)

    def delete(self, ids: Sequence[str]) -> int:
        """Remove these ids in one transaction; unknown ones are passed over. Returns how many were removed.

        Raises:
            VectorIndexError: `ids` is not a sequence of non-empty texts.
        """
        names = list(dict.fromkeys(checks.checked_ids(ids)))
        if not names:
            return 0
        with self._lock, self._store.writing():
            return self._store.tombstone(names)

    def get(self, ids: Sequence[str]) -> tuple[npt.NDArray[np.float32], list[dict[str, Any]]]:
        """The vectors (N, dim) float32 as stored, and their metadata.

        Raises:
            VectorIndexError: an id is not there.
        """

        def stored(view: View) -> tuple[npt.NDArray[np.float32], list[dict[str, Any]]]:
            found = self._found(ids)
            rows = np.array([place for place, _ in found], np.int64) - view.first
            if len(rows) and not 0 <= rows.min() <= rows.max() < len(view.alive):
                raise VectorIndexError("the index is damaged: an id has no vector. Bring it back from a copy.")
            view.matrix.check_rows(rows, view.norms)
            return view.matrix.take(rows), [metadata for _, metadata in found]

        return self._on_view(stored)

    def metadata(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The metadata of these ids.

        Raises:
            VectorIndexError: an id is not there.
        """
        with self._lock, self._store.reading():
            return [metadata for _, metadata in self._found(ids)]

    def __len__(self) -> int:
        with self._lock, self._store.reading():
            self._view.refresh(self._store)
            return self._view.live

    def close(self) -> None:
        """Write missing rows to the matrix file and release all resources. May be called again."""
        with self._lock:
            with contextlib.suppress(VectorIndexError), self._current(to_file=True):
                pass
            self._store.close()
            self._view.matrix.reset(0)

    def __enter__(self) -> EmbeddedIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _on_view(self, work: Callable[[View], _Result]) -> _Result:
        """Do work on the current view; where rows of the matrix were altered, make it anew and do it again."""
        with self._lock:
            for _ in range(2):
                try:
                    with self._current() as view:
                        return work(view)
                except RowAltered:
                    self._view.matrix.discard()
        raise VectorIndexError(
            "what was just written to the index reads otherwise. Look after its disk, and bring the index back from a copy."
        )

    @contextlib.contextmanager
    def _current(self, to_file: bool = False) -> Iterator[View]:
        """Current view of the rows, in one transaction with everything else read from the store."""
        with self._store.reading():
            self._view.refresh(self._store)
            self._view.matrix.cover(self._store, self._view.stop, to_file=to_file)
            yield self._view

    def _found(self, ids: Sequence[str]) -> list[tuple[int, dict[str, Any]]]:
        names = checks.checked_ids(ids)
        found = self._store.items(names)
        for name in names:
            if name not in found:
                raise VectorIndexError(
                    f"there is no id {name!r} in the index. Look at how ids were made when it was filled."
                )
        return [found[name] for name in names]


def _check_settings(
    dim: int | None, metric: str | None, space: str | None, dtype: str | None, create: bool | None
) -> None:
    """Refuse settings that no index can have."""
    if dim is not None and (
        isinstance(dim, bool) or not isinstance(dim, int | np.integer) or not 1 <= dim <= MOST_ELEMENTS
    ):
        raise VectorIndexError(f"dim is {dim!r}; a whole number from 1 to {MOST_ELEMENTS} is expected.")
    if metric is not None and metric not in METRICS:
        raise VectorIndexError(f"metric is {metric!r}, which an index cannot rank by.{suggest(str(metric), METRICS)}")
    if dtype is not None and dtype not in DTYPES:
        raise VectorIndexError(f"dtype is {dtype!r}; vectors are stored as one of {', '.join(DTYPES)}.")
    if space is not None and (not isinstance(space, str) or not space):
        raise VectorIndexError(
            f"space is {space!r}; the digest of a model, a text, is expected. Leave it out if there is none."
        )
    if create and dim is None:
        raise VectorIndexError(
            "create=True without dim: give dim, the number of elements in a vector, to make an index."
        )
