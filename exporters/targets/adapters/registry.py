"""Registry of lowering steps: each rewrites a node of one operator set for the one before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import onnx

from exporters.targets.scope import Scope

__all__ = ["Step", "find_step", "step"]

# A node as the set of that version defines it -> nodes of the version before. Raises CannotLower.
Step: TypeAlias = Callable[[onnx.NodeProto, Scope], list[onnx.NodeProto]]

_STEPS: dict[tuple[str, int], Step] = {}


def step(version: int, *operators: str) -> Callable[[Step], Step]:
    """Register a function that lowers these operators from the set of `version` to the one before."""

    def register(function: Step) -> Step:
        for operator in operators:
            if (operator, version) in _STEPS:
                raise ValueError(f"there is a step for {operator}-{version} already: {_STEPS[operator, version]}")
            _STEPS[operator, version] = function
        return function

    return register


def find_step(operator: str, version: int) -> Step | None:
    """Lowering step of an operator from `version` to the version before; None where none is needed."""
    return _STEPS.get((operator, version))
