"""Intermediate tensors of one run: one step per layer or node, with its output tensor and its ancestors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Step", "Steps"]


@dataclass(frozen=True)
class Step:
    """One layer of a network, or one node of a graph, with its output.

    Attributes:
        name: the path of the module, or the name of the tensor.
        kind: the class of the module, or the operator.
        values: the output tensor.
        ancestors: bit mask of the positions of all steps that the tensor depends on.
    """

    name: str
    kind: str
    values: np.ndarray
    ancestors: int


@dataclass(frozen=True)
class Steps:
    """All steps of one run, in the order in which they ended.

    Attributes:
        steps: those whose tensor depends on the inputs.
        outputs: output -> bit mask of the positions of the steps that it depends on.
    """

    steps: tuple[Step, ...]
    outputs: dict[str, int]
