"""Registry: class of a layer -> its masked form."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import torch

from model_zoo.masking.padding import Padding

__all__ = ["Masked", "find_masked", "masked"]

# (what is run, the layer, x, padding) -> (result, its padding or None where it has no steps any more).
# What is run is the layer, or what stands in its place while it is traced.
Masked: TypeAlias = Callable[[Any, Any, torch.Tensor, Padding], "tuple[torch.Tensor, Padding | None]"]

_MASKED: dict[type[torch.nn.Module], Masked] = {}

M = TypeVar("M", bound=Masked)


def masked(*classes: type[torch.nn.Module]) -> Callable[[M], M]:
    """Register a function as the masked form of these classes and their subclasses of the same `forward`."""

    def register(function: M) -> M:
        for kind in classes:
            if kind in _MASKED:
                raise ValueError(f"{kind.__name__} has a masked form already: {_MASKED[kind]}.")
            _MASKED[kind] = function
        return function

    return register


def find_masked(layer: torch.nn.Module) -> Masked | None:
    """The masked form of a layer, or None where its class has none."""
    return _of_class(type(layer))  # type: ignore[arg-type]


@functools.cache
def _of_class(layer: type[torch.nn.Module]) -> Masked | None:
    for kind in layer.__mro__:
        if kind in _MASKED and layer.forward is kind.forward:
            return _MASKED[kind]
    return None
