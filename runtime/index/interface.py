"""Interface of a vector index, independent of its engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from runtime.errors import ToolkitWarning

__all__ = ["DTYPES", "METRICS", "SearchResult", "VectorIndex", "VectorIndexWarning"]

METRICS = ("cosine", "dot", "euclidean")
"""What an index can rank by. In every one a higher score is better: euclidean gives the negated distance."""

DTYPES = ("float32", "float16")
"""What the vectors can be stored as. Products are computed in float32 and scores in float64 either way."""


class VectorIndexWarning(ToolkitWarning):
    """Warning: something that an index derives from its vectors was damaged, and was made again."""


class SearchResult(NamedTuple):
    """The neighbours of each query, best first.

    Attributes:
        ids: for Q queries a list of Q lists of ids; for one (D,) query one flat list.
        scores: (Q, m) or (m,) float32, higher is better; m is k, or fewer where the index or the filter offers fewer.
    """

    ids: list[Any]
    scores: npt.NDArray[np.float32]


@runtime_checkable
class VectorIndex(Protocol):
    """A collection of vectors under text ids. Every method raises `VectorIndexError` for invalid input.

    An index is a context manager; leaving the block closes it.
    """

    @property
    def dim(self) -> int:
        """Elements in a vector."""

    @property
    def metric(self) -> str:
        """One of `METRICS`."""

    @property
    def space(self) -> str | None:
        """Digest of the model, its pre-processing and its normalisation; None where none was given."""

    @property
    def attributes(self) -> dict[str, Any]:
        """Free facts kept with the index since it was made, such as the path of the model."""

    def add(
        self, ids: Sequence[str], vectors: npt.ArrayLike, metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> None:
        """Add vectors (N, dim) in one transaction; an id that is there already is replaced, with its metadata."""

    def search(
        self,
        queries: npt.ArrayLike,
        k: int = 10,
        where: Mapping[str, Any] | None = None,
        exact: bool | None = None,
    ) -> SearchResult:
        """Find the k best for queries (Q, dim), or one (dim,) query, among the vectors whose metadata match `where`."""

    def delete(self, ids: Sequence[str]) -> int:
        """Remove these ids; unknown ones are passed over. Returns how many were removed."""

    def get(self, ids: Sequence[str]) -> tuple[npt.NDArray[np.float32], list[dict[str, Any]]]:
        """The vectors (N, dim) float32 as stored, and their metadata."""

    def metadata(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The metadata of these ids, without their vectors."""

    def __len__(self) -> int: ...

    def close(self) -> None:
        """Close files and connections. May be called again."""

    def __enter__(self) -> VectorIndex: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
