"""What a training is asked to do. Plain values: they are kept in the checkpoint."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from runtime.errors import SpecError

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """Settings of one training.

    Attributes:
        lr: learning rate; None takes the optimiser's usual one.
        epochs: passes over the training part.
        batch_size: examples a step.
        optimizer, loss, schedule: names, see `toolkit.training`.
        metrics: names of what is measured on training and validation besides the loss.
        weight_decay: decoupled or L2, as the optimiser defines it.
        seed: of the initial weights, the order of the batches and dropout.
    """

    optimizer: str
    loss: str
    metrics: tuple[str, ...]
    seed: int
    lr: float | None = None
    epochs: int = 30
    batch_size: int = 32
    schedule: str = "constant"
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.epochs, int) or self.epochs < 1:
            raise SpecError(f"epochs={self.epochs!r} was given; a whole number of at least 1 is expected.")
        if self.lr is not None and not (isinstance(self.lr, int | float) and 0 < self.lr < float("inf")):
            raise SpecError(f"lr={self.lr!r} was given; a number above 0 is expected, such as 0.001.")
        if not (isinstance(self.weight_decay, int | float) and self.weight_decay >= 0):
            raise SpecError(f"weight_decay={self.weight_decay!r} was given; a number of at least 0 is expected.")
        # NumPy's numbers are none that a checkpoint of plain values can hold
        object.__setattr__(self, "lr", None if self.lr is None else float(self.lr))
        object.__setattr__(self, "weight_decay", float(self.weight_decay))

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for the checkpoint and JSON."""
        return {**dataclasses.asdict(self), "metrics": list(self.metrics)}
