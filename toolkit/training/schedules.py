"""Learning-rate schedules by name, stepped after every batch. Each is a factor of the learning rate over the training."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from runtime.errors import SpecError, suggest

__all__ = ["SCHEDULES", "find_schedule", "make_schedule", "peak_factor"]


def _constant(_progress: float) -> float:
    return 1.0


def _cosine(progress: float) -> float:
    """Half a cosine from 1 to 0 (Loshchilov and Hutter, "SGDR", 2017)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def _onecycle(progress: float) -> float:
    """Up from 1/25 over the first 30 %, then down to 1/10,000 (Smith and Topin, "Super-Convergence", 2018)."""
    if progress < 0.3:
        return 1 / 25 + (1 - 1 / 25) * 0.5 * (1 - math.cos(math.pi * progress / 0.3))
    return 1e-4 + (1 - 1e-4) * 0.5 * (1 + math.cos(math.pi * (progress - 0.3) / 0.7))


SCHEDULES: dict[str, Callable[[float], float]] = {"constant": _constant, "cosine": _cosine, "onecycle": _onecycle}


def find_schedule(name: str) -> str:
    """The registered name, looked up without case. Raises SpecError with the closest names."""
    if str(name).lower() not in SCHEDULES:
        raise SpecError(f"There is no schedule {name!r}.{suggest(str(name), SCHEDULES)}")
    return str(name).lower()


def make_schedule(name: str, optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """A schedule over `steps` batches. Raises SpecError as `find_schedule`."""
    factor = SCHEDULES[find_schedule(name)]
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(min(1.0, step / max(1, steps))))


def peak_factor(name: str) -> float:
    """How much higher than an optimiser's usual rate the peak of a schedule is: one-cycle spends little time at it."""
    return 4.0 if str(name).lower() == "onecycle" else 1.0
