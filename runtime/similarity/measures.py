"""Similarity measures of two vectors: six, all pairs or row by row.

    measure      formula                                             closer is
    cosine       a·b / (‖a‖ ‖b‖)                                     higher
    dot          a·b                                                 higher
    pearson      cosine of a − mean(a) and b − mean(b)               higher
    euclidean    √Σ (aᵢ − bᵢ)²                                       lower
    manhattan    Σ |aᵢ − bᵢ|                                         lower
    chebyshev    max |aᵢ − bᵢ|                                       lower

A distance is returned as the distance itself, as SciPy's `cdist` does; `DISTANCES` says which measures these are.
Work is done in float64 and in blocks, so that a result is right to the last digits of its dtype and the memory beside the
result stays bounded. The result is float32 when both arguments are float32, and float64 otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from runtime.errors import InputError, suggest
from runtime.similarity.arrays import numbers

__all__ = ["DISTANCES", "MEASURES", "get_similarity", "similarity_matrix", "similarity_rows"]

MEASURES = ("cosine", "dot", "euclidean", "manhattan", "chebyshev", "pearson")
"""Every measure."""

DISTANCES = frozenset({"euclidean", "manhattan", "chebyshev"})
"""The measures where lower is closer; for the others higher is closer."""

_BLOCK_ELEMENTS = 1 << 22
"""float64 elements in one temporary: 32 MiB."""

_CLOSE = 1e-2
"""Below this part of ‖a‖² + ‖b‖², ‖a‖² + ‖b‖² − 2a·b has lost two digits, and the difference is taken instead."""

_Floats: TypeAlias = npt.NDArray[np.float64]


def similarity_matrix(a: npt.ArrayLike, b: npt.ArrayLike, measure: str = "cosine") -> Any:
    """Similarity of every vector of `a` with every vector of `b`.

    Args:
        a: (N, D) numbers, or one (D,) vector, which drops the first axis of the result.
        b: (M, D) numbers, or one (D,) vector, which drops the last axis of the result.
        measure: one of `MEASURES`.

    Returns:
        (N, M) float32 when both are float32, else float64; (M,), (N,) or a NumPy scalar where an axis was dropped.

    Raises:
        InputError: an unknown measure; shapes that do not fit; NaN or infinity; a zero vector for cosine; a vector whose
            elements are all equal for pearson.
    """
    left, right, dtype = _pair(a, b, measure)
    result: npt.NDArray[Any] = np.empty((len(left.rows), len(right.rows)), dtype)  # (N, M)
    first, second = left.ready(measure), right.ready(measure)
    compare = _MATRIX[measure]
    for start, stop in _blocks(len(first), max(len(second), first.shape[1])):
        with np.errstate(over="ignore", invalid="ignore"):  # beyond the range of the dtype: infinity
            result[start:stop] = compare(first[start:stop], second)
    return result[0 if left.single else slice(None), 0 if right.single else slice(None)]


def similarity_rows(a: npt.ArrayLike, b: npt.ArrayLike, measure: str = "cosine") -> Any:
    """Similarity of row i of `a` with row i of `b`.

    Args:
        a: (N, D) numbers, or one (D,) vector, which is compared with every row of the other.
        b: the same.
        measure: one of `MEASURES`.

    Returns:
        (N,) float32 when both are float32, else float64; a NumPy scalar when both are (D,).

    Raises:
        InputError: as for `similarity_matrix`, and when `a` and `b` have different numbers of rows.
    """
    left, right, dtype = _pair(a, b, measure)
    count = len(right.rows) if left.single else len(left.rows)
    if not left.single and not right.single and len(left.rows) != len(right.rows):
        raise InputError(
            f"a has {len(left.rows)} rows and b has {len(right.rows)}; row by row they must have the same number. "
            "Use similarity_matrix to compare every row with every other."
        )
    shape = (count, left.rows.shape[1])
    first = np.broadcast_to(left.ready(measure), shape)
    second = np.broadcast_to(right.ready(measure), shape)
    result: npt.NDArray[Any] = np.empty(count, dtype)
    for start, stop in _blocks(count, shape[1]):
        with np.errstate(over="ignore", invalid="ignore"):
            result[start:stop] = _ROWS[measure](first[start:stop], second[start:stop])
    return result[0] if left.single and right.single else result


def get_similarity(a: npt.ArrayLike, b: npt.ArrayLike, method: str = "cosine", use_softmax: bool = False) -> Any:
    """Similarity of every vector of `a` with every vector of `b`: `similarity_matrix` under a common name.

    Args:
        a: (N, D) or (D,) numbers.
        b: (M, D) or (D,) numbers.
        method: one of `MEASURES`.
        use_softmax: turn the last axis, the M comparisons, into parts of one: eˢ / Σ eˢ with s the similarity, or the
            negated distance, so that the closest always has the largest part. Never done unless asked.

    Returns:
        The result of `similarity_matrix`, or its softmax.

    Raises:
        InputError: as for `similarity_matrix`, and when a softmax is asked of a single number.
    """
    scores = similarity_matrix(a, b, method)
    if not use_softmax:
        return scores
    if np.ndim(b) == 1:
        raise InputError(
            "use_softmax=True with a single vector b: a softmax shares one among several comparisons, and of one it is "
            "always 1. Give several vectors as b, of shape (M, D), or leave use_softmax out."
        )
    if scores.shape[-1] == 0:
        return scores
    if method in DISTANCES:
        scores = -scores
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


class _Side:
    """One of the two arguments: (N, D) finite rows, and whether a single (D,) vector was given."""

    def __init__(self, given: npt.ArrayLike, name: str) -> None:
        array = numbers(given, name)
        self.name = name
        self.dtype = array.dtype
        self.single = array.ndim == 1
        if array.ndim not in (1, 2) or array.shape[-1] == 0:
            raise InputError(
                f"{name} has shape {array.shape}; vectors are expected as (N, D), or one vector as (D,), "
                "with D at least 1."
            )
        self.rows: npt.NDArray[Any] = np.atleast_2d(array)
        finite = np.isfinite(self.rows).all(axis=1)
        if not finite.all():
            raise InputError(
                f"{self.place(int(np.argmin(finite)))} holds NaN or infinity; finite numbers are expected. "
                "Remove that vector, or repair what made it."
            )

    def place(self, row: int) -> str:
        return f"vector {self.name}" if self.single else f"row {row} of {self.name}"

    def ready(self, measure: str) -> _Floats:
        """Rows as (N, D) float64, of length one for cosine and pearson."""
        rows = self.rows.astype(np.float64)
        if measure == "pearson":
            constant: npt.NDArray[np.bool_] = np.equal(self.rows.max(axis=1), self.rows.min(axis=1))
            self._refuse(constant, "has equal elements only; pearson compares variation, and there is none")
            rows /= _largest(rows)  # before the mean, whose sum might overflow
            rows -= rows.mean(axis=1, keepdims=True)
        if measure == "cosine":
            zero: npt.NDArray[np.bool_] = np.logical_not(self.rows.any(axis=1))
            self._refuse(zero, "is zero; cosine compares directions, and it has none")
        if measure in ("cosine", "pearson"):
            rows /= _largest(rows)  # so that no square overflows or vanishes
            rows /= np.sqrt((rows * rows).sum(axis=1, keepdims=True))
        return rows

    def _refuse(self, wrong: npt.NDArray[np.bool_], why: str) -> None:
        if wrong.any():
            raise InputError(f"{self.place(int(np.argmax(wrong)))} {why}. Remove it, or use another measure.")


def _largest(rows: _Floats) -> _Floats:
    """Largest magnitude in each row, (N, 1)."""
    magnitudes: _Floats = np.abs(rows).max(axis=1, keepdims=True)
    return magnitudes


def _pair(a: npt.ArrayLike, b: npt.ArrayLike, measure: str) -> tuple[_Side, _Side, type[np.floating[Any]]]:
    if measure not in MEASURES:
        raise InputError(f"{measure!r} is not a measure.{suggest(str(measure), MEASURES)}")
    left, right = _Side(a, "a"), _Side(b, "b")
    if left.rows.shape[1] != right.rows.shape[1]:
        raise InputError(
            f"a has shape {np.shape(a)} and b has shape {np.shape(b)}: vectors of {left.rows.shape[1]} and of "
            f"{right.rows.shape[1]} elements cannot be compared. Give vectors made by the same model."
        )
    both = left.dtype == right.dtype == np.float32
    return left, right, np.float32 if both else np.float64


def _blocks(rows: int, width: int) -> Iterator[tuple[int, int]]:
    """Cut `rows` rows of `width` float64 each into (start, stop) blocks that fit a temporary."""
    step = max(1, _BLOCK_ELEMENTS // max(1, width))
    for start in range(0, rows, step):
        yield start, min(start + step, rows)


def _cosine_matrix(a: _Floats, b: _Floats) -> _Floats:
    return np.clip(a @ b.T, -1.0, 1.0)


def _dot_matrix(a: _Floats, b: _Floats) -> _Floats:
    return a @ b.T


def _euclidean_matrix(a: _Floats, b: _Floats) -> _Floats:
    """Euclidean distances √(‖a‖² + ‖b‖² − 2a·b), and √Σ(a − b)² for close pairs, where the first loses digits."""
    if not len(a) or not len(b):
        return np.empty((len(a), len(b)))
    centre = b.mean(axis=0)
    scale = max(np.abs(a - centre).max(), np.abs(b - centre).max())
    if not 1e-140 < scale < 1e140:  # squares would overflow or vanish
        return _differences(a, b, _euclidean_rows)
    a, b = a - centre, b - centre  # distances stay; what all vectors share no longer swallows the difference
    total: _Floats = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)  # (N, M)
    square = total - 2.0 * (a @ b.T)
    first, second = np.nonzero(square <= _CLOSE * total)
    np.maximum(square, 0.0, out=square)
    distance: _Floats = np.sqrt(square, out=square)
    for start, stop in _blocks(len(first), a.shape[1]):
        pair = first[start:stop], second[start:stop]
        distance[pair] = _euclidean_rows(a[pair[0]], b[pair[1]])
    return distance


def _manhattan_matrix(a: _Floats, b: _Floats) -> _Floats:
    return _differences(a, b, _manhattan_rows)


def _chebyshev_matrix(a: _Floats, b: _Floats) -> _Floats:
    return _differences(a, b, _chebyshev_rows)


def _differences(a: _Floats, b: _Floats, rows: Callable[[_Floats, _Floats], _Floats]) -> _Floats:
    """Distances (N, M), reduced from the (n, m, D) differences of blocks of `a` and blocks of `b`."""
    result = np.empty((len(a), len(b)))
    width = a.shape[1]
    step = max(1, min(len(b), _BLOCK_ELEMENTS // width))
    for low in range(0, len(b), step):
        part = b[low : low + step]
        for start, stop in _blocks(len(a), len(part) * width):
            result[start:stop, low : low + step] = rows(a[start:stop, None, :], part)
    return result


def _cosine_rows(a: _Floats, b: _Floats) -> _Floats:
    return np.clip(_dot_rows(a, b), -1.0, 1.0)


def _dot_rows(a: _Floats, b: _Floats) -> _Floats:
    result: _Floats = (a * b).sum(axis=-1)
    return result


def _euclidean_rows(a: _Floats, b: _Floats) -> _Floats:
    difference = a - b
    scale = np.abs(difference).max(axis=-1, keepdims=True)
    scale[(scale == 0.0) | np.isinf(scale)] = 1.0  # equal vectors: 0 / 1; a difference beyond float64: infinity
    difference /= scale
    difference *= difference
    result: _Floats = np.sqrt(difference.sum(axis=-1)) * scale[..., 0]
    return result


def _manhattan_rows(a: _Floats, b: _Floats) -> _Floats:
    difference = a - b
    np.abs(difference, out=difference)
    result: _Floats = difference.sum(axis=-1)
    return result


def _chebyshev_rows(a: _Floats, b: _Floats) -> _Floats:
    difference = a - b
    np.abs(difference, out=difference)
    result: _Floats = difference.max(axis=-1)
    return result


_MATRIX: dict[str, Callable[[_Floats, _Floats], _Floats]] = {
    "cosine": _cosine_matrix,
    "dot": _dot_matrix,
    "euclidean": _euclidean_matrix,
    "manhattan": _manhattan_matrix,
    "chebyshev": _chebyshev_matrix,
    "pearson": _cosine_matrix,
}

_ROWS: dict[str, Callable[[_Floats, _Floats], _Floats]] = {
    "cosine": _cosine_rows,
    "dot": _dot_rows,
    "euclidean": _euclidean_rows,
    "manhattan": _manhattan_rows,
    "chebyshev": _chebyshev_rows,
    "pearson": _cosine_rows,
}
