"""Restoring modules after an export: training or evaluation mode, and buffers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

__all__ = ["restore_modes"]

P = ParamSpec("P")
T = TypeVar("T")


def restore_modes(function: Callable[P, T]) -> Callable[P, T]:
    """Decorator: restore the mode of the modules among the arguments, also when the function raises.

    So are buffers that a module's own forward counts or averages in, and torch's random state.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        given = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.nn.Module)]
        modes = [(module, module.training) for value in given for module in value.modules()]
        buffers = [
            (module._buffers, name, buffer, buffer._version, buffer.clone())
            for module, _ in modes
            if not isinstance(module, torch.jit.ScriptModule)
            for name, buffer in module._buffers.items()
            if buffer is not None and not torch.nn.parameter.is_lazy(buffer) and buffer.device.type == "cpu"
        ]
        try:
            with torch.random.fork_rng(devices=[]):
                return function(*args, **kwargs)
        finally:
            with torch.no_grad():
                for places, name, buffer, version, before in buffers:
                    places[name] = buffer
                    if buffer._version != version:
                        buffer.copy_(before)
            for module, training in modes:
                module.training = training

    return wrapper
