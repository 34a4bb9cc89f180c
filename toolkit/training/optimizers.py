"""Optimisers by name, each with its usual learning rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch

from runtime.errors import SpecError, suggest

__all__ = ["OPTIMIZERS", "find_optimizer", "make_optimizer"]

# name -> (constructor, usual learning rate)
OPTIMIZERS: dict[str, tuple[Callable[..., torch.optim.Optimizer], float]] = {
    "sgd": (partial(torch.optim.SGD, momentum=0.9), 0.01),
    "adam": (torch.optim.Adam, 0.001),
    "adamw": (torch.optim.AdamW, 0.001),
    "adagrad": (torch.optim.Adagrad, 0.01),
    "asgd": (torch.optim.ASGD, 0.01),
    "rmsprop": (torch.optim.RMSprop, 0.001),
}
# one kernel for all parameters instead of several for each
_FUSED = {"sgd", "adam", "adamw", "adagrad"}


def find_optimizer(name: str) -> str:
    """The registered name, looked up without case. Raises SpecError with the closest names."""
    if str(name).lower() not in OPTIMIZERS:
        raise SpecError(f"There is no optimiser {name!r}.{suggest(str(name), OPTIMIZERS)}")
    return name.lower()


def make_optimizer(
    name: str, parameters: Iterable[torch.nn.Parameter], lr: float | None, weight_decay: float, peak: float = 1.0
) -> torch.optim.Optimizer:
    """Build an optimiser; `lr` None takes `peak` times its usual rate. Raises SpecError as `find_optimizer`."""
    key = find_optimizer(name)
    constructor, usual = OPTIMIZERS[key]
    options: dict[str, Any] = {"fused": True} if key in _FUSED else {}
    return constructor(parameters, lr=peak * usual if lr is None else lr, weight_decay=weight_decay, **options)
