"""Attributes of a module as they were before its first run: a network may keep what it made for the last size, such as a grid."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

__all__ = ["FirstAttributes"]

# What torch keeps of a module itself; weights are the same tensors before and after.
_OWN = ("_parameters", "_modules", "training", "forward")


class FirstAttributes:
    """Record of the attributes and buffers of a module and its parts.

    Args:
        module: before it was run.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        parts = (part for part in module.modules() if not isinstance(part, torch.jit.ScriptModule))
        self._first = [(part, _attributes(part), dict(part._buffers)) for part in parts]

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """Within the ``with``, attributes that a run has bound anew are what they were; afterwards all are as before it."""
        now = [(part, dict(vars(part)), dict(part._buffers)) for part, _, _ in self._first]
        try:
            for (part, first, buffers), (_, after, _) in zip(self._first, now, strict=True):
                for name in _attributes(part):
                    if name not in first:
                        del vars(part)[name]
                vars(part).update({name: value for name, value in first.items() if value is not after.get(name)})
                _set(part._buffers, buffers)
            yield
        finally:
            for part, after, buffers in now:
                _set(vars(part), after)
                _set(part._buffers, buffers)


def _attributes(part: torch.nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(part).items() if name not in _OWN and "hooks" not in name}


def _set(held: dict[str, Any], values: dict[str, Any]) -> None:
    held.clear()
    held.update(values)
