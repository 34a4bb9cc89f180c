"""Tensors of a batch, one or several: inputs in a tuple, outputs in a tuple or mapping, targets of different lengths in a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

__all__ = ["detached", "first_tensor", "map_tensors", "rows"]


def map_tensors(function: Callable[[torch.Tensor], Any], value: Any) -> Any:
    """Apply a function to every tensor in tuples, lists and mappings of any depth; all else stays as it is."""
    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, Mapping):
        return {name: map_tensors(function, part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([map_tensors(function, part) for part in value])
    return value


def detached(value: Any) -> Any:
    """The same without gradients."""
    return map_tensors(torch.Tensor.detach, value)


def first_tensor(value: Any) -> torch.Tensor | None:
    """The first tensor in the order of the containers, or None."""
    if isinstance(value, torch.Tensor):
        return value
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return next((found for found in map(first_tensor, parts) if found is not None), None)


def rows(inputs: Any) -> int:
    """Examples in a batch of inputs: the length of the first tensor's first axis."""
    found = first_tensor(inputs)
    return 0 if found is None else len(found)
