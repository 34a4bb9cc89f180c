"""Exact search: float32 products find candidates, float64 decides.

Each query is compared with every row in float32, and the k best plus a margin are kept. Their scores are then computed again in
float64, in a way that gives equal rows equal scores, and sorted: higher first, earlier rows first among equals. The
error of a float32 product has a bound; when the k-th score beats the worst candidate by more than that, no row that was left out can
belong to the k best. Queries for which this does not hold (many equal rows, vectors far from the origin, extreme sizes)
are compared again in float64, keeping every row that might belong. So the answer is that of a full float64 scan, always.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from runtime.errors import VectorIndexError
from runtime.index.checks import row_norms
from runtime.index.products import best_products, largest
from runtime.index.view import View

__all__ = ["nearest"]

_FEW = 8
"""From this many queries on, rows are prepared once for all of them and onnxruntime multiplies."""

_TILE = 1 << 24
"""float32 elements in a block of scores or of prepared rows: 64 MiB."""

_FEW_ELEMENTS = 1 << 22
_MANY_ROWS, _MANY_QUERIES = 1 << 14, 1 << 10
_PAIR_ELEMENTS = 1 << 20
"""Blocks that were found to be fast: they stay in the processor's cache, or are large enough to divide among its cores."""

_ORDINARY = (1e-12, 1e12)
"""Between these lengths, squares and products stay well inside float32."""

_SINGLE, _DOUBLE = 2.0**-24, 2.0**-53
"""The relative error of one rounding in float32 and in float64."""

_Floats: TypeAlias = npt.NDArray[np.float64]
_Singles: TypeAlias = npt.NDArray[np.float32]
_Rows: TypeAlias = npt.NDArray[np.int64]
_Mask: TypeAlias = npt.NDArray[np.bool_]


class _Queries(NamedTuple):
    """Queries with their Euclidean lengths: (Q, d) and (Q,) float64."""

    rows: _Floats
    norms: _Floats

    def part(self, chosen: slice | _Rows) -> _Queries:
        return _Queries(self.rows[chosen], self.norms[chosen])


class _Candidates(NamedTuple):
    """Candidates of the float32 screening, with bounds on the ranks of all rows left out."""

    rows: _Rows  # (Q, c) row numbers
    scores: _Singles  # (Q, c) in the order of the metric, up to a shift for each query; −inf where there is no row
    ceiling: _Floats  # (Q,) no row left out has a higher rank than this
    error: _Floats  # (Q,) bound on the difference between a score and the rank, in float32


def nearest(view: View, queries: _Floats, k: int, mask: _Mask) -> tuple[_Rows, _Floats]:
    """The k best rows of each query among those that `mask` lets through.

    Args:
        view: the rows.
        queries: (Q, d) float64, finite.
        k: how many.
        mask: (n,) bool.

    Returns:
        row numbers (Q, m) int64 and scores (Q, m) float64, best first, with m the smaller of k and the rows let through.
    """
    offered = int(mask.sum())
    wanted = min(k, offered)
    rows = np.zeros((len(queries), wanted), np.int64)
    scores = np.zeros((len(queries), wanted))
    if not wanted:
        return rows, scores
    step = max(1, min(1 << 13, _TILE // (wanted + _margin(wanted))))
    for start in range(0, len(queries), step):
        given = queries[start : start + step]
        part = _Queries(given, row_norms(given))
        rows[start : start + step], scores[start : start + step] = _nearest(view, part, wanted, offered, mask)
    return rows, scores


def _margin(wanted: int) -> int:
    """Number of extra candidates, enough that float32 rarely leaves the result undecided."""
    return 16 + wanted // 8


def _nearest(view: View, queries: _Queries, wanted: int, offered: int, mask: _Mask) -> tuple[_Rows, _Floats]:
    count = min(wanted + _margin(wanted), offered)
    with np.errstate(over="ignore", invalid="ignore"):  # sizes that overflow are not ordinary, and are compared again
        screen = _screen_few if len(queries.rows) < _FEW else _screen_many
        found = screen(view, queries, count, mask)
        scores = _decide(view, queries, found, wanted)
    rows, scores = _best(found.rows, scores, wanted)
    rank = _rank(view.metric, scores[:, -1], queries.norms)
    sure = np.full(len(rows), count == offered) | (rank > found.ceiling)
    sure &= _ordinary(view, queries) & np.isfinite(scores[:, -1])
    doubtful = np.flatnonzero(~sure)
    step = 64
    for start in range(0, len(doubtful), step):
        chosen = doubtful[start : start + step]
        floor = np.where(_ordinary(view, queries)[chosen], rank[chosen], -np.inf)
        rows[chosen], scores[chosen] = _nearest_in_double(view, queries.part(chosen), wanted, mask, floor)
    return rows, scores


def _ordinary(view: View, queries: _Queries) -> _Mask:
    """Mask (Q,) of queries whose lengths neither overflow nor underflow in float32."""
    low, high = _ORDINARY
    largest_row, smallest_row = view.norms.max(), view.norms.min()
    rows = largest_row <= high and (smallest_row >= low if view.metric == "cosine" else largest_row >= low)
    scaled = view.metric != "euclidean"  # queries are brought to length one
    fit: _Mask = (queries.norms <= high) | scaled
    return fit if rows else np.zeros(len(fit), bool)


# Candidates in float32


def _blocks(view: View, mask: _Mask, size: int) -> Iterator[tuple[int, _Singles, _Mask]]:
    """Iterate over blocks (number of the first row, (n, d) rows, (n,) mask) without copying."""
    for begin, segment in view.matrix.segments():
        for start in range(0, len(segment), size):
            rows = segment[start : start + size]
            keep = mask[begin + start : begin + start + len(rows)]
            if keep.any():
                view.matrix.check(begin + start, begin + start + len(rows), view.norms)
                yield begin + start, rows, keep


def _screen_few(view: View, queries: _Queries, count: int, mask: _Mask) -> _Candidates:
    """Screen a few queries: multiply with the stored rows, and adjust the products."""
    metric, dim = view.metric, queries.rows.shape[1]
    scaled = queries.rows if metric == "euclidean" else queries.rows / _nonzero(queries.norms)[:, None]
    given = scaled.astype(np.float32)
    best = _Best(len(given), count)
    for start, rows, keep in _blocks(view, mask, max(1, _FEW_ELEMENTS // dim)):
        numbers: _Rows | None = None
        adjust = view.adjust[start : start + len(rows)]
        if 4 * keep.sum() < len(keep):  # few are wanted: take them out
            numbers = np.flatnonzero(keep)
            rows, adjust = rows[numbers], adjust[numbers]
        scores = np.stack([rows @ one for one in given])  # (Q, n); faster than one product for so few queries
        if metric == "cosine":
            scores *= adjust
        elif metric == "euclidean":
            scores += adjust
        if numbers is None and not keep.all():
            scores[:, ~keep] = -np.inf
        best.offer(scores, start, numbers)
    error, longest = _error(dim, _SINGLE), view.norms.max()
    if metric == "euclidean":
        return best.candidates(error * (queries.norms * longest + longest**2 / 2), queries.norms**2 / 2)
    reach = 1.0 if metric == "cosine" else longest
    return best.candidates(np.full(len(given), error * reach), np.zeros(len(given)))


def _screen_many(view: View, queries: _Queries, count: int, mask: _Mask) -> _Candidates:
    """Screen many queries: prepare the rows once, so that a product ranks as the metric does."""
    metric, dim = view.metric, queries.rows.shape[1]
    centre = _centre(view) if metric == "euclidean" else np.zeros(dim, np.float32)
    moved = queries.rows - centre if metric == "euclidean" else queries.rows / _nonzero(queries.norms)[:, None]
    lengths = row_norms(moved)
    given = moved.astype(np.float32)
    if metric == "euclidean":
        given = np.concatenate([given, np.ones((len(given), 1), np.float32)], axis=1)
    best, longest = _Best(len(given), count), 0.0
    size = min(_MANY_ROWS, max(1, _TILE // dim), len(mask))
    workspace = _Workspace(view, size, centre)
    for start, rows, keep in _blocks(view, mask, size):
        numbers = None if keep.all() else np.flatnonzero(keep)
        rows, length = workspace.prepared(rows, start, numbers)
        longest = max(longest, length)
        taken = min(count, len(rows))
        for low in range(0, len(given), _MANY_QUERIES):
            scores, positions = best_products(given[low : low + _MANY_QUERIES], rows, taken)
            best.take(scores, (positions if numbers is None else numbers[positions]) + start, low)
    if metric == "euclidean":
        return best.candidates(_error(dim + 1, _SINGLE) * (lengths * longest + longest**2 / 2), lengths**2 / 2)
    return best.candidates(np.full(len(given), _error(dim, _SINGLE) * longest), np.zeros(len(given)))


class _Workspace:
    """Preparation of blocks of rows, so that a product with a query ranks as the metric does.

    cosine: x / ‖x‖. euclidean: x − c and −‖x − c‖² / 2 in one more column, beside a 1 in the query. dot: x itself.
    Blocks share two buffers, since fresh memory for each would cost more than the arithmetic.

    Args:
        view: the rows.
        size: rows in the largest block.
        centre: (d,) float32, the c of euclidean.
    """

    def __init__(self, view: View, size: int, centre: _Singles) -> None:
        self._view = view
        self._centre = centre
        self._taken = np.empty((size, len(centre)), np.float32)
        self._made = np.empty((size, len(centre) + (view.metric == "euclidean")), np.float32)

    def prepared(self, rows: _Singles, start: int, numbers: _Rows | None) -> tuple[_Singles, float]:
        """Prepared rows, all or those with these numbers, and the greatest length; valid until the next call."""
        norms, adjust = self._view.norms[start : start + len(rows)], self._view.adjust[start : start + len(rows)]
        if numbers is not None:  # mode="clip" lets NumPy write to `out` directly
            rows = np.take(rows, numbers, axis=0, out=self._taken[: len(numbers)], mode="clip")
            norms, adjust = norms[numbers], adjust[numbers]
        if self._view.metric == "dot":
            return rows, float(norms.max())
        made = self._made[: len(rows)]
        if self._view.metric == "cosine":
            return np.multiply(rows, adjust[:, None], out=made), 1.0
        near = np.subtract(rows, self._centre, out=made[:, :-1])
        squares = np.einsum("nd,nd->n", near, near)
        made[:, -1] = -0.5 * squares
        return made, float(np.sqrt(squares.max()))


def _centre(view: View) -> _Singles:
    """Centre (d,) amid the rows. Any point is correct; near the rows, less is lost to rounding."""
    for _, rows in view.matrix.segments():
        mean: _Singles = rows[:: max(1, len(rows) // 256)].mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean
    raise AssertionError("an index without rows is not searched")


class _Best:
    """Accumulator of the best scores of each query, in no order."""

    def __init__(self, queries: int, count: int) -> None:
        self._scores = np.full((queries, count), -np.inf, np.float32)
        self._rows = np.zeros((queries, count), np.int64)

    def offer(self, scores: _Singles, start: int, numbers: _Rows | None) -> None:
        """Add scores (Q, n) of all queries; column j is row `start` + j, or `start` + `numbers`[j]."""
        columns = np.flatnonzero((scores > self._scores.min(axis=1, keepdims=True)).any(axis=0))
        if len(columns) < scores.shape[1] // 2:  # most can no longer be among the best
            scores = scores[:, columns]
            numbers = columns if numbers is None else numbers[columns]
        values, positions = largest(scores, min(self._scores.shape[1], scores.shape[1]))
        self.take(values, (positions if numbers is None else numbers[positions]) + start, 0)

    def take(self, scores: _Singles, rows: _Rows, low: int) -> None:
        """Add scores and row numbers (q, c) for the queries from `low` on."""
        part = slice(low, low + len(scores))
        scores = np.concatenate([self._scores[part], scores], axis=1)
        rows = np.concatenate([self._rows[part], rows], axis=1)
        self._scores[part], positions = largest(scores, self._scores.shape[1])
        self._rows[part] = np.take_along_axis(rows, positions, axis=1)

    def candidates(self, error: _Floats, shift: _Floats) -> _Candidates:
        ceiling = self._scores.min(axis=1).astype(np.float64) - shift + error
        return _Candidates(self._rows, self._scores, ceiling, error)


def _error(dim: int, rounding: float) -> float:
    """Error bound, relative, of a product of `dim` terms in any order, doubled for the steps around it."""
    return 2 * (dim + 8) * rounding


# Decision in float64


def _decide(view: View, queries: _Queries, found: _Candidates, wanted: int) -> _Floats:
    """Scores (Q, c) float64 of the candidates that can still be among the k best, −inf for the others."""
    edge = found.scores.shape[1] - wanted
    limit = np.partition(found.scores, edge, axis=1)[:, edge].astype(np.float64) - 2 * found.error
    query, column = np.nonzero((found.scores >= limit[:, None]) & (found.scores > -np.inf))
    result = np.full(found.scores.shape, -np.inf)
    result[query, column] = _pair_scores(view, queries, query, found.rows[query, column])
    return result


def _pair_scores(view: View, queries: _Queries, query: _Rows, rows: _Rows) -> _Floats:
    """Scores (p,) float64 of pairs of a query and a row, identical for equal rows at any position."""
    result = np.empty(len(query))
    step = max(1, _PAIR_ELEMENTS // queries.rows.shape[1])
    for start in range(0, len(query), step):
        which, row = query[start : start + step], rows[start : start + step]
        left, right = queries.rows[which], view.matrix.take(row).astype(np.float64)  # (p, d)
        if view.metric == "euclidean":
            left -= right
            left *= left
            result[start : start + step] = -np.sqrt(left.sum(axis=1))
            continue
        left *= right
        products = left.sum(axis=1)
        if view.metric == "cosine":
            products /= queries.norms[which] * view.norms[row]
        result[start : start + step] = products
    return result


def _best(rows: _Rows, scores: _Floats, wanted: int) -> tuple[_Rows, _Floats]:
    """Select the k best of (Q, c), higher scores first, lower rows first among equals."""
    order = np.lexsort((rows, -scores), axis=1)[:, :wanted]
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)


def _rank(metric: str, scores: _Floats, norms: _Floats) -> _Floats:
    """Ranks, the unit in which products are compared: scores for a query of length one, or −‖q − x‖² / 2."""
    if metric == "euclidean":
        return -0.5 * scores**2
    return scores / _nonzero(norms) if metric == "dot" else scores


def _nearest_in_double(
    view: View, queries: _Queries, wanted: int, mask: _Mask, floor: _Floats
) -> tuple[_Rows, _Floats]:
    """Full search in float64: score all rows that reach the k-th rank known so far, (Q,) `floor`."""
    count, dim = queries.rows.shape
    query, rows, scores = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)  # the best so far, query by query
    for start, block, keep in _blocks(view, mask, max(1, (1 << 20) // dim)):
        numbers = np.flatnonzero(keep)
        ranks, error = _ranks_in_double(view, queries, block[numbers].astype(np.float64), view.norms[start + numbers])
        which, column = np.nonzero(ranks >= (floor - error)[:, None])
        new = start + numbers[column]
        query = np.concatenate([query, which])
        rows = np.concatenate([rows, new])
        scores = np.concatenate([scores, _pair_scores(view, queries, which, new)])
        order = np.lexsort((rows, -scores, query))
        place = np.arange(len(order)) - np.searchsorted(query[order], np.arange(count))[query[order]]
        order = order[place < wanted]
        query, rows, scores = query[order], rows[order], scores[order]
        last = place[place < wanted] == wanted - 1  # the wanted-th of the queries that have so many already
        reached = query[last]
        ranks_reached = _rank(view.metric, scores[last], queries.norms[reached])
        floor[reached] = np.maximum(floor[reached], ranks_reached)
    if len(rows) != count * wanted:
        raise VectorIndexError("the index is damaged: a vector in it is not finite. Bring it back from a copy.")
    return rows.reshape(count, wanted), scores.reshape(count, wanted)


def _ranks_in_double(view: View, queries: _Queries, rows: _Floats, norms: _Floats) -> tuple[_Floats, _Floats]:
    """Ranks (Q, n) from float64 products, and a bound (Q,) on their error."""
    error = _error(queries.rows.shape[1], _DOUBLE)
    if view.metric == "euclidean":
        centre = rows[0]
        near, far = rows - centre, queries.rows - centre
        lengths, reach = row_norms(near), row_norms(far)
        ranks = far @ near.T - 0.5 * lengths**2 - 0.5 * reach[:, None] ** 2
        return ranks, 2 * error * (reach + lengths.max()) ** 2
    given = queries.rows / _nonzero(queries.norms)[:, None]
    if view.metric == "cosine":
        return given @ (rows / norms[:, None]).T, np.full(len(given), 2 * error)
    return given @ rows.T, np.full(len(given), 2 * error * norms.max())


def _nonzero(norms: _Floats) -> _Floats:
    """Lengths with 1 in place of 0, so that zero vectors stay zero when divided."""
    return np.where(norms == 0.0, 1.0, norms)
