"""Top k of scores, in order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.errors import InputError
from runtime.similarity.arrays import numbers

__all__ = ["top_k"]


def top_k(scores: npt.ArrayLike, k: int, largest: bool = True) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Top k along the last axis, best first; among equals the lower index comes first.

    Args:
        scores: (..., M) numbers.
        k: how many; more than M gives M.
        largest: True for similarities; False for distances, where the smallest is best.

    Returns:
        indices (..., min(k, M)) int64 and values (..., min(k, M)) in the dtype of `scores`.

    Raises:
        InputError: `scores` is not an array of numbers or holds NaN, or `k` is not a whole number of at least 1.
    """
    values = numbers(scores, "scores")
    if values.ndim == 0:
        raise InputError("scores is a single number; an array is expected, with the candidates on its last axis.")
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError(f"k is {k!r}; a whole number of at least 1 is expected.")
    if np.isnan(values).any():
        place = tuple(int(axis[0]) for axis in np.nonzero(np.isnan(values)))
        raise InputError(f"scores{list(place)} is NaN, which has no place in an order. Remove or replace it first.")
    count = values.shape[-1]
    kept = min(int(k), count)
    if values.size == 0:
        shape = (*values.shape[:-1], kept)
        return np.zeros(shape, np.int64), np.zeros(shape, values.dtype)
    # argpartition would choose among equals at the boundary as it likes: take all that are better, then the first equals.
    edge = count - kept if largest else kept - 1
    limit = np.partition(values, edge, axis=-1)[..., edge : edge + 1]  # (..., 1)
    better = values > limit if largest else values < limit
    equal = values == limit
    wanted = kept - better.sum(axis=-1, keepdims=True)
    chosen = better | (equal & (np.cumsum(equal, axis=-1) <= wanted))
    indices = np.nonzero(chosen)[-1].reshape(*values.shape[:-1], kept)  # ascending along the last axis
    found = np.take_along_axis(values, indices, axis=-1)
    if largest:  # sorting the reversed row and reversing back keeps equals in order, for every dtype
        order = kept - 1 - np.argsort(found[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    else:
        order = np.argsort(found, axis=-1, kind="stable")
    return np.take_along_axis(indices, order, axis=-1), np.take_along_axis(found, order, axis=-1)
