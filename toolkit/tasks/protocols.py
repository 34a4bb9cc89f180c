"""Protocols: what a task is given of a data set and of a loss, and the meter that it may bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

__all__ = ["Examples", "LossForm", "Meter"]


class Examples(Protocol):
    """A data set, as far as a task looks at it."""

    def __len__(self) -> int: ...

    @property
    def targets(self) -> Any:
        """N targets, as the task read them."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes or values."""
        ...

    @property
    def views(self) -> int:
        """Inputs of one example."""
        ...


class LossForm(Protocol):
    """The outputs and targets that a named loss takes, as its entry in `LOSSES` says."""

    @property
    def output(self) -> str:
        """Kind of network output: "logits", "probabilities", "values", "vectors", ..."""
        ...

    @property
    def target(self) -> str:
        """Form of the targets: "classes", "values", "sequences", "pairs", ..."""
        ...


class Meter(Protocol):
    """Outputs and targets of an epoch, collected for its metrics."""

    def add(self, output: Any, target: Any) -> None:
        """Add the predictions and targets of one batch."""
        ...

    def state(self) -> dict[str, Any]:
        """What was collected so far, in plain containers and CPU tensors, for a resume within an epoch."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned."""
        ...

    def measure(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """The states of all processes -> key in the history -> value; a metric that is not defined is left out."""
        ...
