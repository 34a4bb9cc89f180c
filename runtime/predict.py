"""Arrays -> results: what a classifier or a regression says of one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from runtime.card import ModelCard
from runtime.errors import CardError, ToolkitError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Classification", "Failure", "Prediction", "Regression", "interpret", "prediction_output"]


@dataclass(frozen=True, slots=True)
class Classification:
    """The class of one row.

    Attributes:
        label: name of the most probable class.
        index: its position.
        probability: between 0 and 1.
        probabilities: float32 (K,), one a class.
        labels: the K class names.
        source: the file or row it came from, or None.
    """

    label: str
    index: int
    probability: float
    probabilities: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    source: str | None = None

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The `count` most probable classes as (label, probability), most probable first."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.labels[index], float(self.probabilities[index])) for index in order]

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {
            "source": self.source,
            "label": self.label,
            "probability": self.probability,
            "top": [{"label": label, "probability": probability} for label, probability in self.top(top)],
        }


@dataclass(frozen=True, slots=True)
class Regression:
    """The predicted values of one row: float32 (T,), named by `names`."""

    values: npt.NDArray[np.float32]
    names: tuple[str, ...]
    source: str | None = None

    @property
    def value(self) -> float:
        """The first predicted value."""
        return float(self.values[0])

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON; `top` is without meaning here."""
        return {"source": self.source, "values": {n: float(v) for n, v in zip(self.names, self.values, strict=True)}}


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be read, and why."""

    source: str | None
    error: ToolkitError

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {"source": self.source, "error": str(self.error)}


Prediction: TypeAlias = Classification | Regression | Failure


def prediction_output(card: ModelCard) -> str:
    """The output that answers the card's task.

    Raises:
        CardError: the card names none.
    """
    for role in ("probabilities", "logits") if card.task == "classification" else ("values",):
        name = card.output(role)
        if name is not None:
            return name
    roles = ", ".join(f"{output.name} ({output.role})" for output in card.outputs) or "none"
    raise CardError(
        f"The model's card has the task {card.task!r} and the outputs {roles}; none of them is a prediction. "
        f"Use .run(...) for its arrays."
    )


def interpret(values: npt.NDArray[Any], card: ModelCard, sources: Sequence[str | None]) -> list[Prediction]:
    """The prediction output (N, K) -> N results."""
    rows = values.reshape(len(values), -1)
    if card.task == "regression":
        names = card.labels or tuple(f"value {index}" for index in range(rows.shape[1]))
        return [Regression(row, names, source) for row, source in zip(rows, sources, strict=True)]
    if card.output("probabilities") is None:
        shifted = np.exp(rows - rows.max(axis=1, keepdims=True))
        rows = shifted / shifted.sum(axis=1, keepdims=True)
    labels = card.labels or tuple(map(str, range(rows.shape[1])))
    if len(labels) != rows.shape[1]:
        raise CardError(
            f"The card has {len(labels)} labels, but the model gives {rows.shape[1]} probabilities. Export it again."
        )
    best = rows.argmax(axis=1)
    return [
        Classification(labels[index], int(index), float(row[index]), row, labels, source)
        for row, index, source in zip(rows, best, sources, strict=True)
    ]
