"""Modules go back to their callers in the mode, training or evaluation, that they came in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

__all__ = ["modes_kept"]

P = ParamSpec("P")
T = TypeVar("T")


def modes_kept(function: Callable[P, T]) -> Callable[P, T]:
    """Put the modules among the arguments back into the mode that they came in, also when the function raises."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        given = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.nn.Module)]
        modes = [(module, module.training) for value in given for module in value.modules()]
        try:
            return function(*args, **kwargs)
        finally:
            for module, training in modes:
                module.training = training

    return wrapper
