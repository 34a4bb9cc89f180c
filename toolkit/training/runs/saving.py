"""Saving by time: each epoch's state is kept in memory, and written every few seconds and when the training ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.loop.state import Training
from toolkit.training.runs.history import measured, write_history

__all__ = ["Saving", "Snapshot"]

# Least seconds between two savings; and so many times a saving's own duration, so that it takes a tenth of the time at most.
_SECONDS, _TIMES = 5.0, 9.0


@dataclass(frozen=True)
class Snapshot:
    """A training at one moment.

    Attributes:
        state: its `live_state`.
        weights: the state_dict of its result, the averaged network where there is one.
        measured: the values of its last epoch, for a card.
        task: what the outputs are, as the loss reads them.
    """

    state: Mapping[str, Any]
    weights: Mapping[str, torch.Tensor]
    measured: Mapping[str, Any]
    task: str

    @classmethod
    def of(cls, training: Training) -> Snapshot:
        """The training now; its tensors change with it. With several processes, all must call it."""
        state = training.live_state()
        weights = state["network"] if training.average is None else training.result.state_dict()
        last = measured(training.history[-1]) if training.history else {}
        return cls(state, weights, last, training.step.loss.task)

    def copied(self) -> Snapshot:
        """The same on the CPU, independent of the training."""
        known: dict[Any, torch.Tensor] = {}
        history = self.state["history"]  # its entries do not change, and there may be thousands
        state = _copied({**self.state, "history": None}, known)
        return replace(self, state={**state, "history": history}, weights=_copied(self.weights, known))


class Saving:
    """Writes last.pth, best.pth and the history of a run.

    After the first epoch and then every few seconds; `write` writes what waits. With `every` after each epoch.

    Args:
        folder: of the run.
        settings: for the history.
        make: checkpoint of a snapshot.
        every: True to write after each epoch.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, Any], make: Callable[[Snapshot], Checkpoint], every: bool
    ) -> None:
        self.folder, self.settings, self.make, self.every = folder, settings, make, every
        self._last: Snapshot | None = None
        self._best: Snapshot | None = None
        self._next = 0.0

    def add(self, snapshot: Snapshot, is_best: bool) -> None:
        """Take the state after an epoch."""
        due = self.every or time.monotonic() >= self._next
        self._last = snapshot if due else snapshot.copied()
        if is_best:
            self._best = self._last
        if due:
            self.write()

    def write_position(self, snapshot: Snapshot) -> None:
        """Write last.pth in the middle of an epoch."""
        self.write()
        self.make(snapshot).save(self.folder / "last.pth")

    def write(self) -> None:
        """Write what waits."""
        if self._last is None:
            return
        started = time.monotonic()
        last = self.make(self._last)
        # last.pth comes last: a training stopped in between is continued from an epoch before, and meets its best again
        if self._best is not None:
            best = last if self._best is self._last else self.make(self._best)
            best.save(self.folder / "best.pth")
        last.save(self.folder / "last.pth")
        write_history(self.folder, self.settings, self._last.state["history"])
        self._last = self._best = None
        ended = time.monotonic()
        self._next = ended + max(_SECONDS, _TIMES * (ended - started))


def _copied(value: Any, known: dict[Any, torch.Tensor]) -> Any:
    """Copies of the tensors in nested dictionaries and lists, one for each; all else is plain and does not change.

    Args:
        known: copies made already, by what they are copies of: weights that are shared stay shared.
    """
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided:
            return value.detach().to("cpu", copy=True)
        place = (value.data_ptr(), value.dtype, value.shape, value.stride(), value.device)
        if place not in known or not value.numel():
            known[place] = value.detach().to("cpu", copy=True)
        return known[place]
    if isinstance(value, dict):
        return {name: _copied(item, known) for name, item in value.items()}
    return [_copied(item, known) for item in value] if isinstance(value, list) else value
