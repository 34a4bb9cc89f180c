"""Whole batches from memory: one index_select a batch, no Python for each example."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from runtime.errors import InputError
from toolkit.data.dataset import Dataset

__all__ = ["Batches"]


class Batches:
    """Iterates over (inputs (B, ...) float32, targets (B,) int64 or (B, T) float32) tensors.

    Args:
        data: the data set.
        indices: int64 positions in it that belong here; None for all.
        batch_size: at most so many; the last batch may be smaller.
        shuffle: another order each epoch, drawn from (seed, epoch): the order of an epoch does not depend on the ones
            before it, so that a resumed training sees the same batches.
        seed: seed of the order.

    Raises:
        InputError: `batch_size` is below 1.
    """

    def __init__(
        self,
        data: Dataset,
        indices: np.ndarray | None = None,
        *,
        batch_size: int = 32,
        shuffle: bool = False,
        seed: int = 0,
    ) -> None:
        if not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f"batch_size={batch_size!r} was given; a whole number of at least 1 is expected.")
        self.data = data
        self.indices = np.arange(len(data), dtype=np.int64) if indices is None else indices
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.epoch = 0
        self._targets = torch.from_numpy(np.ascontiguousarray(data.targets))

    def __len__(self) -> int:
        return -(-len(self.indices) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = self.indices
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
            self.epoch += 1
        positions = torch.from_numpy(order)
        for part in torch.split(positions, self.batch_size):
            yield self.data.inputs.take(part), self._targets.index_select(0, part)

    @property
    def examples(self) -> int:
        """How many examples an epoch has."""
        return len(self.indices)

    def targets(self) -> torch.Tensor:
        """The targets in the order of an unshuffled epoch."""
        return self._targets[torch.from_numpy(self.indices)]
