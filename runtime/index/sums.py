"""Checksums of what an index holds, so that nothing is believed that was altered on the disk.

Rows of the matrix have one each: it is a sum of the row's 64-bit words, each times an odd number of its own, modulo 2**64
(multilinear hashing, Carter and Wegman 1979), which is as fast as the memory. What else is found by looking it up
(the values of a field, dead places) has one sum for all its rows, in any order, so a row that is lost is noticed, and a change
takes from the sum and adds to it.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["field_key", "item_sum", "mixed_sum", "row_sums", "signed"]

_MASK = 2**64 - 1
_GOLDEN, _SPREAD = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9  # of SplitMix64 (Steele, Lea and Flood, 2014)


def row_sums(rows: npt.NDArray[np.float32], norms: npt.NDArray[np.float64], first: int) -> npt.NDArray[np.uint64]:
    """Checksum of each row: of its elements, its length and its place.

    Args:
        rows: (n, d) little-endian float32, contiguous.
        norms: (n,) Euclidean lengths.
        first: place of the first row; the others follow it.

    Returns:
        (n,) uint64.
    """
    dim = rows.shape[1]
    words = rows.view("<u8") if dim % 2 == 0 else rows.view("<u4").astype("<u8")
    sums: npt.NDArray[np.uint64] = np.einsum("nw,w->n", words, _multipliers(words.shape[1]))
    sums += np.ascontiguousarray(norms, "<f8").view("<u8") * np.uint64(_SPREAD)
    sums += np.arange(first + 1, first + 1 + len(rows), dtype=np.uint64) * np.uint64(_GOLDEN)
    return sums


@functools.lru_cache(maxsize=4)
def _multipliers(count: int) -> npt.NDArray[np.uint64]:
    """Odd multipliers (count,), the same ones always: SplitMix64's numbers."""
    state = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    return _spread(state) | np.uint64(1)


def item_sum(name: str, metadata: str) -> int:
    """Checksum of an id with its metadata."""
    return zlib.crc32(f"{name}\0{metadata}".encode())


def field_key(kind: str, value: Any) -> int:
    """Checksum of one value of a field; numbers that are equal have one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return zlib.crc32(repr((kind, value)).encode())


def mixed_sum(keys: int | Sequence[int], places: npt.NDArray[np.int64] | Sequence[int]) -> int:
    """Sum of the checksums of keys at places, one key for all or one each, modulo 2**64: from 0 on."""
    state = np.asarray(places, np.int64).astype(np.uint64) * np.uint64(_GOLDEN)
    state += np.asarray(keys, np.uint64) * np.full(1, _SPREAD, np.uint64)
    return int(_spread(state).sum(dtype=np.uint64))


def signed(total: int) -> int:
    """The 64 bits of a sum as SQLite keeps them: modulo 2**64, from -2**63 on."""
    return (total + 2**63 & _MASK) - 2**63


def _spread(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    state = state ^ (state >> np.uint64(30))
    state = state * np.uint64(_SPREAD)
    return state ^ (state >> np.uint64(27))
