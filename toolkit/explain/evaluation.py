"""Evaluation of a network without side effects: modes and random state are restored, errors name the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from runtime.errors import InputError

__all__ = ["as_input", "evaluation", "run"]


@contextmanager
def evaluation(network: torch.nn.Module) -> Iterator[None]:
    """Context manager: evaluation mode; every module's mode and torch's random state are restored afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    devices = {entry.device.index or 0 for entry in network.parameters() if entry.is_cuda}
    try:
        with torch.random.fork_rng(devices=sorted(devices)):
            network.eval()
            yield
    finally:
        for module, training in modes:
            module.training = training


def as_input(network: torch.nn.Module, inputs: torch.Tensor | np.ndarray) -> torch.Tensor:
    """`inputs` as a tensor on the network's device; fractions take the type of its weights, whole numbers keep theirs.

    Raises:
        InputError: it is no array of numbers, or it has no rows.
    """
    try:
        tensor = torch.as_tensor(inputs).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"A {type(inputs).__name__} was given; an array of numbers (N, ...) is expected.") from error
    if tensor.ndim == 0 or tensor.numel() == 0:
        raise InputError(f"An input of shape {tuple(tensor.shape)} was given; at least one row (1, ...) is expected.")
    state = [*network.parameters(), *network.buffers()]
    weights = next((entry for entry in state if entry.is_floating_point()), torch.empty(0))
    return tensor.to(weights.device, weights.dtype if tensor.is_floating_point() else tensor.dtype)


def run(function: Callable[[torch.Tensor], Any], tensor: torch.Tensor) -> Any:
    """`function(tensor)`. Raises InputError, with torch's reason, when the tensor does not fit."""
    try:
        return function(tensor)
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"The network cannot take an input of shape {tuple(tensor.shape)}: {reason.rstrip('.')}."
        ) from error
