"""Distributed data-parallel training, started by torchrun (`python -m torch.distributed.run`).

Each process computes the gradients of its share of every global batch; they are averaged so that the step is the one that
a single process would have made with the whole batch. What differs from a single process: batch normalisation on the CPU
takes the mean and variance of each process's share alone, and the running statistics of the first process are kept
(`share_buffers`); on CUDA it is replaced by SyncBatchNorm, which takes those of the whole batch. Dropout draws
from another random stream in each process.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from runtime.errors import SpecError
from toolkit.data.batching.batches import Batches

__all__ = ["Processes", "setup"]


@dataclass(frozen=True)
class Processes:
    """This process's place among those that train together; the default is one process alone.

    Attributes:
        rank: number of this process, from 0. Process 0 writes the files and prints.
        world: number of processes.
        device: device of this process.
    """

    rank: int = 0
    world: int = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - a device does not change

    @property
    def writes(self) -> bool:
        """True for the process that writes files and prints (rank 0)."""
        return self.rank == 0

    def sum(self, *numbers: float) -> list[float]:
        """All-reduce: each number summed over the processes, float64."""
        if self.world == 1:
            return list(numbers)
        sums = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(sums)
        return sums.tolist()

    def any(self, *wishes: bool) -> list[bool]:
        """Logical OR over the processes, for each flag."""
        return [number > 0 for number in self.sum(*wishes)]

    def gather(self, value: Any) -> list[Any]:
        """All-gather: the values of all processes, in rank order, on every process."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value)
        return values

    def share_buffers(self, module: torch.nn.Module) -> None:
        """Broadcast the buffers of rank 0, such as the running statistics of batch normalisation."""
        if self.world > 1:
            for buffer in module.buffers():
                dist.broadcast(buffer, 0)

    @contextlib.contextmanager
    def sharing(self, *parts: Batches | None) -> Iterator[None]:
        """Context manager: the batches serve only this process's share; afterwards all again."""
        known = [(part, part.rank, part.world) for part in parts if part is not None]
        for part, _, _ in known:
            part.rank, part.world = self.rank, self.world
        try:
            yield
        finally:
            for part, rank, world in known:
                part.rank, part.world = rank, world

    def wait(self) -> None:
        """Barrier: return when every process has reached it."""
        if self.world > 1:
            dist.barrier()

    def join(self, module: torch.nn.Module) -> torch.nn.Module:
        """Wrap `module` so that `backward` averages its gradients over the processes, overlapped with computation."""
        if self.world == 1:
            return module
        device_ids = [self.device.index] if self.device.type == "cuda" else None
        return torch.nn.parallel.DistributedDataParallel(module, device_ids=device_ids)

    def join_normalization(self, network: torch.nn.Module) -> torch.nn.Module:
        """On CUDA, replace batch normalisation by SyncBatchNorm over the global batch; the weights keep their names."""
        if self.world == 1 or self.device.type != "cuda":
            return network
        converted: torch.nn.Module = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted


def setup(device: torch.device | None = None) -> Processes:
    """Join the processes that torchrun started, as its environment says; a single process where there are none.

    Args:
        device: where a single process computes; None takes the first GPU, or the CPU where there is none. Several
            processes take a GPU each (over NCCL), or all of them the CPU (over Gloo) where there is none.

    Raises:
        SpecError: the environment is incomplete, or there are more processes than GPUs.
    """
    world = _whole("WORLD_SIZE", 1)
    if world == 1:
        first = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        return Processes(device=device or first)
    rank, local = _whole("RANK"), _whole("LOCAL_RANK")
    if rank >= world:
        raise SpecError(f"RANK={rank} was given for WORLD_SIZE={world} processes; a rank below it is expected.")
    chosen = torch.device("cpu")
    if torch.cuda.is_available():
        if local >= torch.cuda.device_count():
            raise SpecError(
                f"There are more processes than the {torch.cuda.device_count()} GPUs of this machine. Start as many with "
                f"--nproc-per-node {torch.cuda.device_count()}, or train on the CPU with CUDA_VISIBLE_DEVICES= before the command."
            )
        chosen = torch.device("cuda", local)
        torch.cuda.set_device(chosen)
    if not dist.is_initialized():
        # Gloo also carries the few plain numbers of a training on CUDA
        dist.init_process_group("gloo" if chosen.type == "cpu" else "cpu:gloo,cuda:nccl", rank=rank, world_size=world)
        atexit.register(_leave)
    return Processes(rank, world, chosen)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _whole(name: str, default: int | None = None) -> int:
    text = os.environ.get(name, "" if default is None else str(default))
    if not text.isdecimal():
        given = f"{name}={text!r}" if text else f"WORLD_SIZE without {name}"
        raise SpecError(
            f"{given} was found in the environment; torchrun sets RANK, WORLD_SIZE and LOCAL_RANK to whole numbers. Start "
            f"several processes with: torchrun --nproc-per-node 2 -m toolkit ..., or one alone without these variables."
        )
    return int(text)
