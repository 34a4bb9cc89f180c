"""A run taken apart: one step a layer or a node, each with the tensor it made and the steps that tensor came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Step", "Steps"]


@dataclass(frozen=True)
class Step:
    """One layer of a network, or one node of a graph.

    Attributes:
        name: the path of the module, or the name of the tensor.
        kind: the class of the module, or the operator.
        values: the tensor that it made.
        ancestors: the positions of all steps that its tensor came from, as bits.
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
        outputs: output -> the positions of the steps that it came from, as bits.
    """

    steps: tuple[Step, ...]
    outputs: dict[str, int]
