"""Layer output for one input, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["LayerOutput"]


@dataclass(frozen=True)
class LayerOutput:
    """Output of one layer for one input.

    Attributes:
        number: position in the order of execution; 0 is the network's input.
        name: its path inside the network.
        kind: its class.
        description: the module with its arguments, in one line.
        values: without the batch axis.
    """

    number: int
    name: str
    kind: str
    description: str
    values: np.ndarray
