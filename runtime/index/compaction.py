"""Compaction: the live vectors of an index, to be written again without the dead ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from runtime.index.checks import Block
from runtime.index.schema import IndexInfo, StoredBlock

__all__ = ["live_blocks"]


class _Store(Protocol):
    facts: IndexInfo

    def blocks(self, first: int, stop: int) -> Iterator[StoredBlock]: ...

    def vectors(self, block: StoredBlock) -> npt.NDArray[np.float32]: ...


def live_blocks(store: _Store, first: int, stop: int, alive: npt.NDArray[np.bool_]) -> Iterator[Block]:
    """Live vectors in order, regrouped into blocks no smaller than most of the old ones.

    Args:
        store: of the vectors.
        first: their first place.
        stop: the place behind their last.
        alive: (stop - first,) whether the vector at a place is.
    """
    dtype = np.dtype(store.facts.dtype).newbyteorder("<")
    parts: list[Block] = []
    for block in list(store.blocks(first, stop)):
        keep = alive[block.first - first : block.stop - first]
        parts.append(Block(store.vectors(block)[keep].astype(dtype), block.norms[keep]))
        if sum(part.vectors.nbytes for part in parts) >= 1 << 20 or block.stop == stop:
            joined = Block(np.concatenate([p.vectors for p in parts]), np.concatenate([p.norms for p in parts]))
            parts = []
            if len(joined.norms):
                yield joined
