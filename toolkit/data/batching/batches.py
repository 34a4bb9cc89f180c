"""Batches from memory: one index_select per batch, no Python code per example.

Pictures that are augmented, cut into several crops or read from files may be prepared by worker processes instead; which
process prepares a batch changes nothing in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from runtime.errors import InputError, suggest
from runtime.preprocess import normalize
from toolkit.data.augmentation.augment import Augmentation
from toolkit.data.augmentation.crops import Crops
from toolkit.data.augmentation.mix import Mix
from toolkit.data.augmentation.seeds import derived, example_seeds
from toolkit.data.batching.samplers import balanced_order, check_balanced, repeats_of, share_of, shuffled_order
from toolkit.data.batching.workers import WorkerPool
from toolkit.data.dataset import Dataset
from toolkit.data.ragged_targets import Targets, as_targets
from toolkit.data.stores import PixelStore
from toolkit.data.tensors import map_tensors

__all__ = ["Batches"]

Batch = tuple[Any, Any]
# Each step is tried on this before the training, so that one that cannot work is refused at once.
_TRIALS = 8


class Batches:
    """Iterable of batches (inputs (B, ...), targets (B, ...)), tensors as the data set has them.

    The order of epoch e follows from (seed, e) alone, the augmentation of example i from (seed, e, i), the mixing of batch b from
    (seed, e, b): a resumed training sees the same batches, with any number of workers. The global random states stay as they are.

    Args:
        data: the data set; one that an augmentation has prepared, where there is one (`Augmentation.prepare`).
        indices: int64 positions of the data set to serve; None for all.
        batch_size: examples per batch and process; the last batch may be smaller.
        shuffle: reshuffle every epoch.
        seed: seed of all random draws.
        augment: random changes of the pictures; None for none.
        mix: MixUp or CutMix, which makes the targets soft, float32 (B, K).
        crops: several crops of each picture, inputs (B, crops, C, H, W); for an evaluation.
        sampling: "all" examples once per epoch; "balanced" draws as many with replacement, classes equally often.
        workers: processes that prepare batches ahead; 0 prepares them here. Inputs that lie in memory ready need none.
        drop_last: leave out a last batch of fewer examples than the others; of a shuffled epoch these are others each time.
        pin_memory: batches in page-locked memory, from which ``.to("cuda", non_blocking=True)`` copies beside the computation.

    Iterating gives one epoch after the other, beginning with epoch 0; `epoch` gives the one that is asked for.

    Raises:
        InputError: a value is out of range, or the data are of a kind that cannot be augmented, mixed, cropped or balanced.
    """

    def __init__(
        self,
        data: Dataset,
        indices: np.ndarray | None = None,
        *,
        batch_size: int = 32,
        shuffle: bool = False,
        seed: int = 0,
        augment: Augmentation | None = None,
        mix: Mix | None = None,
        crops: Crops | None = None,
        sampling: Literal["all", "balanced"] | str = "all",
        workers: int = 0,
        pin_memory: bool = False,
        drop_last: bool = False,
    ) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
            raise InputError(f"batch_size={batch_size!r} was given; a whole number of at least 1 is expected.")
        if not isinstance(workers, int) or isinstance(workers, bool) or workers < 0:
            raise InputError(f"workers={workers!r} was given; a whole number of at least 0 is expected.")
        if not isinstance(shuffle, bool | np.bool_ | int):
            raise InputError(f"shuffle={shuffle!r} was given; True or False is expected.")
        if sampling not in ("all", "balanced"):
            raise InputError(f"sampling={sampling!r} was given.{suggest(str(sampling), ('all', 'balanced'))}")
        if sampling == "balanced":
            check_balanced(data)
        self.data = data
        self.indices = np.arange(len(data), dtype=np.int64) if indices is None else indices
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.augment, self.mix, self.crops = augment, mix, crops
        self.sampling, self.workers, self.pin_memory, self.drop_last = sampling, workers, pin_memory, drop_last
        self._next = 0
        self._targets = as_targets(data.targets)
        self._maker = _Maker(data, self._targets, augment if augment and augment.steps else None, mix, crops, seed)
        self._maker.check(self.indices)
        self._pool: WorkerPool | None = None
        if self._maker.plain and isinstance(data.inputs, PixelStore):
            data.inputs.take(torch.empty(0, dtype=torch.int64))  # one-time preparation, before the first epoch

    def __len__(self) -> int:
        """Steps of an epoch of a single process."""
        return self.steps()

    def steps(self, world: int = 1) -> int:
        """Steps of an epoch of `world` processes, the same for each of them."""
        whole = self.batch_size * world
        return len(self.indices) // whole if self.drop_last else -(-len(self.indices) // whole)

    def replaced(
        self,
        *,
        batch_size: int | None = None,
        sampling: str | None = None,
        data: Dataset | None = None,
        drop_last: bool | None = None,
    ) -> Batches:
        """Batches of the same examples with another batch size or sampling, or otherwise padded, with workers of their own."""
        return Batches(
            self.data if data is None else data,
            self.indices,
            batch_size=self.batch_size if batch_size is None else batch_size,
            shuffle=self.shuffle,
            seed=self.seed,
            augment=self.augment,
            mix=self.mix,
            crops=self.crops,
            sampling=self.sampling if sampling is None else sampling,
            workers=self.workers,
            pin_memory=self.pin_memory,
            drop_last=self.drop_last if drop_last is None else drop_last,
        )

    @property
    def examples(self) -> int:
        """Number of examples per epoch, over all processes."""
        return len(self.indices)

    def targets(self) -> Any:
        """The targets in the order of an unshuffled epoch: a tensor (N, ...), or a list of tensors of different lengths."""
        return self._targets.take(torch.from_numpy(self.indices))

    def order(self, epoch: int) -> np.ndarray:
        """int64 (examples,): the positions of an epoch in their order, of all processes."""
        if self.sampling == "balanced":
            return balanced_order(self.indices, self.data.targets, self.seed, epoch)
        return shuffled_order(self.indices, self.seed, epoch) if self.shuffle else self.indices

    def __iter__(self) -> Iterator[Batch]:
        number, self._next = self._next, self._next + 1
        return self.epoch(number)

    def epoch(self, number: int, *, start: int = 0, rank: int = 0, world: int = 1) -> Iterator[Batch]:
        """Batches of one epoch.

        Args:
            number: of the epoch, from 0; its order and everything random follow from it.
            start: batches to leave out at the beginning, which were learnt from already.
            rank, world: number of this process, and of processes; each gets its contiguous share of every global batch of
                batch_size * world examples. The shares of the last one differ by one example at most, and may be empty.
        """
        order = torch.from_numpy(self.order(number))
        parts = self._parts(len(order), start, rank, world)
        if self._maker.plain and not (self.workers and getattr(self.data.inputs, "reads_files", False)):
            for _, rows in parts:
                part = order[rows]
                inputs, targets = self.data.inputs.take(part), self._targets.take(part)
                yield self._pinned(inputs, targets)
            return
        seeds = self._maker.seeds(order.numpy(), number, repeated=self.sampling == "balanced")
        jobs = [_Job(number, batch, order[rows], None if seeds is None else seeds[rows]) for batch, rows in parts]
        if self.workers:
            yield from self._ahead(jobs)
        else:
            for inputs, targets in map(self._maker, jobs):
                yield self._pinned(inputs, targets)

    def _pinned(self, inputs: Any, targets: Any) -> Batch:
        if not self.pin_memory:
            return inputs, targets
        return map_tensors(torch.Tensor.pin_memory, inputs), map_tensors(torch.Tensor.pin_memory, targets)

    def close(self) -> None:
        """End the worker processes, if there are any; another epoch starts new ones. They also end with this object."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _parts(self, length: int, start: int, rank: int, world: int) -> Iterator[tuple[int, slice]]:
        """(number, rows of the order) of the batches of a process."""
        whole = self.batch_size * world
        for number in range(start, self.steps(world)):
            first, last = number * whole, min(length, (number + 1) * whole)
            yield number, share_of(first, last, rank, world)

    def _ahead(self, jobs: list[_Job]) -> Iterator[Batch]:
        pool = self._pool or WorkerPool(self._maker, self.workers, self.pin_memory)
        self._pool = None  # another iteration at the same time would need its own
        try:
            yield from pool.run(jobs)
        except (
            BaseException
        ):  # also GeneratorExit and KeyboardInterrupt: what was prepared ahead is not wanted any more
            pool.close()
            raise
        self._pool = pool


class _Job(NamedTuple):
    """One batch to be made: positions int64 (n,) in the data set, and a seed uint64 for each where it is augmented."""

    epoch: int
    number: int
    positions: torch.Tensor
    seeds: np.ndarray | None


@dataclass
class _Maker:
    """Makes a batch from a job, here or in a worker."""

    data: Dataset
    targets: Targets
    augment: Augmentation | None
    mix: Mix | None
    crops: Crops | None
    seed: int

    @property
    def plain(self) -> bool:
        return self.augment is None and self.mix is None and self.crops is None

    def check(self, indices: np.ndarray) -> None:
        """Try each transform once on the first picture, to raise its errors before the training."""
        if self.mix is not None:
            self.mix.check(self.data)
        if self.augment is not None and self.crops is not None:
            raise InputError(
                f"{self.crops.name} is for an evaluation, which is not augmented; give one of augment and crops."
            )
        if self.augment is not None:
            self.augment.prepare(self.data)
        if self.crops is not None and self.data.pictures is None:
            raise InputError(f"{self.crops.name} takes crops of pictures; the data are {self.data.describe()}.")
        if len(indices) and (self.augment or self.crops):
            positions = torch.from_numpy(np.repeat(indices[:1], _TRIALS))
            self.inputs(_Job(0, 0, positions, self.seeds(positions.numpy(), 0, repeated=True)))

    def seeds(self, order: np.ndarray, epoch: int, *, repeated: bool) -> np.ndarray | None:
        if self.augment is None:
            return None
        return example_seeds(self.seed, epoch, order, repeats_of(order) if repeated else None)

    def inputs(self, job: _Job) -> Any:
        if self.augment is None and self.crops is None:
            return self.data.inputs.take(job.positions)
        assert self.data.pictures is not None
        store, card = self.data.pictures
        pictures: Any
        views: tuple[int, ...] = ()
        if self.crops is not None:
            pixels = store.take_pixels(job.positions)  # (n, [views], C, H, W), or with the channels last
            pixels, views = pixels.movedim(-1, -3) if card.layout == "NHWC" else pixels, tuple(pixels.shape[1:-3])
            pictures = self.crops(pixels.flatten(0, -4))
        elif self.augment is not None and job.seeds is not None:
            pictures, seeds = self.augment.pictures(store, card, job.positions), job.seeds
            if isinstance(pictures, torch.Tensor) and pictures.ndim > 4:
                views, count = tuple(pictures.shape[1:-3]), int(np.prod(pictures.shape[1:-3]))
                pictures = pictures.flatten(0, -4)
                seeds = derived(np.repeat(seeds, count), np.tile(np.arange(count), len(seeds)))
            pictures = self.augment(pictures, seeds, card.size)
        if card.layout == "NHWC":
            pictures = pictures.movedim(-3, -1)
        prepared = torch.from_numpy(normalize(np.ascontiguousarray(pictures.numpy()), card))
        return prepared.reshape(-1, *views, *prepared.shape[1:]) if views else prepared

    def __call__(self, job: _Job) -> Batch:
        inputs, targets = self.inputs(job), self.targets.take(job.positions)
        if self.mix is None:
            return inputs, targets
        return self.mix(inputs, targets, len(self.data.labels), self.seed, job.epoch, job.number)
