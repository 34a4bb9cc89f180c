"""Training state: the training in progress, and everything needed to resume it bit for bit."""

from __future__ import annotations

import copy
import functools
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel

from runtime.errors import CheckpointError
from toolkit.data.tensors import map_tensors
from toolkit.tasks.protocols import Meter
from toolkit.training.checkpoints.checkpoint import random_state, restore_random_state
from toolkit.training.checkpoints.state_inventory import check_fields, with_fields
from toolkit.training.loop.distributed import Processes
from toolkit.training.loop.early_stopping import EarlyStopping
from toolkit.training.loop.monitor import Monitor, better
from toolkit.training.loop.step import Step
from toolkit.training.metrics import make_meter
from toolkit.training.optimization.precision import Precision
from toolkit.training.optimization.schedules import Schedule
from toolkit.training.settings import Settings

__all__ = ["EpochState", "Training"]


@dataclass
class EpochState:
    """State of the current epoch, on this process.

    Attributes:
        outputs: outputs collected for the metrics.
        total: sum of the losses of the examples so far, a scalar on the network's device.
        weight: number of these examples, as `Loss.weight` counts them.
        batch: batches done.
        rate: the learning rate at the epoch's beginning.
        seconds: time spent on the epoch before a resume.
        started: when the clock was started, in seconds of `time.perf_counter`.
    """

    outputs: Meter
    total: torch.Tensor
    weight: float = 0.0
    batch: int = 0
    rate: float = 0.0
    seconds: float = 0.0
    started: float | None = None

    @property
    def elapsed(self) -> float:
        """Seconds spent on the epoch."""
        return self.seconds + (0.0 if self.started is None else time.perf_counter() - self.started)

    def add(self, value: torch.Tensor, weight: float) -> None:
        """Count a batch of so many examples and such a mean loss."""
        self.batch += 1
        self.total += value * weight
        self.weight += weight


@dataclass
class Training:
    """Training in progress: `fit` yields it after each epoch, and callbacks receive it.

    Attributes:
        network: the network that learns.
        step: the training step.
        average: the moving average of its weights, or None; `.module` is the averaged network.
        history: one entry per epoch: epoch, loss and metrics, the same with ``val_`` before them, lr, seconds.
        best: the epoch's entry that did best on the validation part (on the training part where there is none).
        is_best: True if the last epoch is the best.
        running: the current epoch.
    """

    network: torch.nn.Module
    settings: Settings
    task: str
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    step: Step
    average: AveragedModel | None
    precision: Precision
    processes: Processes
    running: EpochState
    monitor: Monitor
    stopping: EarlyStopping
    frozen: list[torch.nn.Module]
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] = field(default_factory=dict)
    is_best: bool = False

    @property
    def epoch(self) -> int:
        """Whole epochs done."""
        return len(self.history)

    @property
    def device(self) -> torch.device:
        """Device of the network."""
        return self.running.total.device

    @property
    def result(self) -> torch.nn.Module:
        """The network to evaluate and save: the averaged one where there is one."""
        return self.network if self.average is None else self.average.module

    @functools.cached_property
    def _plain_settings(self) -> dict[str, Any]:
        return self.settings.to_dict()

    def train_mode(self) -> None:
        """Set training mode, except for frozen layers, whose running statistics stay fixed like their weights."""
        self.network.train()
        for module in self.frozen:
            module.eval()

    def move(self, value: Any) -> Any:
        """Inputs or targets of a batch on the network's device, in the memory format that the settings ask for."""
        return map_tensors(self._moved, value)

    def _moved(self, tensor: torch.Tensor) -> torch.Tensor:
        if self.settings.channels_last and tensor.ndim == 4:
            return tensor.to(self.device, non_blocking=True, memory_format=torch.channels_last)
        return tensor.to(self.device, non_blocking=True)

    def begin_epoch(self) -> None:
        """Reset the state of the epoch."""
        self.running = EpochState(
            make_meter(self.settings.metrics, self.step.loss.task),
            torch.zeros((), device=self.running.total.device),
            rate=self.schedule.last_rate,
        )

    def end_epoch(self, entry: dict[str, float]) -> None:
        """Append an epoch's entry to the history, and update the best epoch."""
        score = self.monitor.score(entry)
        self.history.append(entry)
        self.is_best = not self.best or better(score, self.monitor.score(self.best))
        if self.is_best:
            self.best = entry
        self.stopping.add(score)
        self.schedule.epoch_end(score[0])
        self.begin_epoch()

    def state(self) -> dict[str, Any]:
        """State for a resume, in plain containers and tensors. With several processes, all must call it."""
        return with_fields(self.live_state())

    def live_state(self) -> dict[str, Any]:
        """As `state`, without its inventory; its tensors are those of the training, which change with it."""
        own = {
            "random": random_state(),
            "total": self.running.total.cpu(),
            "weight": self.running.weight,
            "outputs": self.running.outputs.state(),
            "step": self.step.state(),
        }
        return {
            "epoch": self.epoch,
            "batch": self.running.batch,
            "rate": self.running.rate,
            "seconds": self.running.elapsed,
            "network": self.network.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "precision": self.precision.state(),
            "stopping": self.stopping.state(),
            "history": list(self.history),
            "best": dict(self.best),
            "settings": self._plain_settings,
            "processes": self.processes.gather(own),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned.

        Raises:
            CheckpointError: a part of the state is missing or damaged, or it is of another number of processes.
        """
        check_fields(state)
        try:
            self._restore(state)
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"The checkpoint's training cannot be continued ({type(error).__name__}: {reason}); it was damaged or changed "
                f"by hand. Train anew."
            ) from error

    def _restore(self, state: Mapping[str, Any]) -> None:
        written, here = len(state["processes"]), self.processes.world
        if written != here:
            raise CheckpointError(
                f"The checkpoint was trained by {written} processes, and there are {here} now. Start as many: "
                f"torchrun --nproc-per-node {written}, or start from its weights alone with checkpoint=."
            )
        # what is loaded would otherwise be shared with the state, and change with the training
        own, optimizer = copy.deepcopy((state["processes"][self.processes.rank], state["optimizer"]))
        self.network.load_state_dict(state["network"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(optimizer)
        self.schedule.load_state_dict(state["schedule"])
        self.precision.restore(state["precision"])
        self.stopping.restore(state["stopping"])
        self.history = [dict(entry) for entry in state["history"]]
        self.best = dict(state["best"])
        if self.best:
            self.monitor.score(self.best)
        if state["epoch"] != len(self.history):
            raise ValueError(f"epoch {state['epoch']} of {len(self.history)} in the history")
        self.begin_epoch()
        self.running.batch = _count(state["batch"])
        self.running.rate, self.running.seconds = _amount(state["rate"]), _amount(state["seconds"])
        self.running.total = own["total"].to(self.running.total)
        self.running.weight = float(own["weight"])
        self.running.outputs.restore(own["outputs"])
        self.step.restore(own["step"])
        restore_random_state(own["random"])


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} batches")
    return value


def _amount(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise ValueError(f"{value!r} where a number of at least 0 is expected")
    return float(value)
