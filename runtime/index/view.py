"""View of the rows for a search: norms and liveness beside the vectors, kept up to date with the store."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtime.errors import VectorIndexError
from runtime.index.matrix import Matrix
from runtime.index.schema import SlotRange
from runtime.index.store import Store

__all__ = ["View"]


class View:
    """The rows of an index at one generation. Row i is the vector at place `first` + i.

    Args:
        metric: one of `METRICS`.
        matrix: the vectors.

    Attributes:
        norms: (n,) float64 lengths of the rows.
        adjust: (n,) float32, correction that makes q·x rank as the metric: 1 / ‖x‖ to multiply for cosine, −‖x‖² / 2 to add
            for euclidean.
        alive: (n,) bool, False where the vector was replaced or deleted.
        live: how many are alive.
    """

    def __init__(self, metric: str, matrix: Matrix) -> None:
        self.metric = metric
        self.matrix = matrix
        self._extent = SlotRange(-1, 0, 0)
        self._reset()

    @property
    def first(self) -> int:
        return self._extent.first

    @property
    def stop(self) -> int:
        return self._extent.stop

    def refresh(self, store: Store) -> None:
        """Apply the changes committed since the last refresh; inside `store.reading()`.

        Raises:
            VectorIndexError: the store is damaged.
        """
        extent = store.extent()
        if extent.generation == self._extent.generation:
            return
        store.check_extent()
        known = self._extent
        if extent.first != known.first or extent.stop < known.stop or extent.generation < known.generation:
            self._reset()
            self.matrix.reset(extent.first)
            known = SlotRange(-1, extent.first, extent.first)
        self._extent = SlotRange(-1, extent.first, extent.first)  # should the next lines fail, all is read again
        self._take_norms([block.norms for block in store.blocks(known.stop, extent.stop)])
        self._take_dead(store.dead(self._last_death), extent)
        store.check_dead(np.flatnonzero(~self.alive) + extent.first)
        self._extent = extent

    def names(self, store: Store, rows: npt.NDArray[np.int64]) -> dict[int, str]:
        """Ids of rows, by their places; an id is checked when it is first used.

        Raises:
            VectorIndexError: one was altered.
        """
        new = rows[~self._named[rows]]
        if len(new):
            store.check_names((new + self.first).tolist())
            self._named[new] = True
        return store.names((rows + self.first).tolist())

    def _reset(self) -> None:
        self.norms: npt.NDArray[np.float64] = np.empty(0)
        self.adjust: npt.NDArray[np.float32] = np.empty(0, np.float32)
        self.alive: npt.NDArray[np.bool_] = np.empty(0, bool)
        self._named: npt.NDArray[np.bool_] = np.empty(0, bool)  # the id was checked
        self.live = 0
        self._last_death = 0

    def _take_norms(self, new: list[npt.NDArray[np.float64]]) -> None:
        norms = np.concatenate([np.empty(0), *new])
        if not (np.isfinite(norms) & (norms >= 0)).all():
            raise VectorIndexError("the index is damaged: a length in it is not a number. Bring it back from a copy.")
        with np.errstate(over="ignore", divide="ignore"):  # beyond float32, searching takes another way
            adjust = 1.0 / norms if self.metric == "cosine" else -0.5 * norms**2
            self.adjust = np.concatenate([self.adjust, adjust.astype(np.float32)])
        self.norms = np.concatenate([self.norms, norms])
        self.alive = np.concatenate([self.alive, np.ones(len(norms), bool)])
        self._named = np.concatenate([self._named, np.zeros(len(norms), bool)])

    def _take_dead(self, dead: list[tuple[int, int]], extent: SlotRange) -> None:
        if dead:
            numbers, places = zip(*dead, strict=True)
            if not all(isinstance(place, int) and extent.first <= place < extent.stop for place in places):
                raise VectorIndexError(
                    "the index is damaged: a dead place is not one of its own. Bring it back from a copy."
                )
            self.alive[np.array(places) - extent.first] = False
            self._last_death = numbers[-1]
        self.live = int(self.alive.sum())
