"""Arrays -> results: what a network says of one row, by the task on its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from runtime.card import ModelCard
from runtime.errors import CardError, ToolkitError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "THRESHOLD",
    "Classification",
    "Dense",
    "Embedding",
    "Failure",
    "Multilabel",
    "Prediction",
    "Regression",
    "class_axis",
    "interpret",
    "prediction_output",
]

THRESHOLD = 0.5
"""Labels above this probability hold."""


@dataclass(frozen=True, slots=True)
class Classification:
    """The class of one row.

    Attributes:
        label: name of the most probable class.
        index: its position.
        probability: between 0 and 1.
        probabilities: float32 (K,), one a class.
        labels: the K class names.
        source: the file, text or row it came from, or None.
    """

    label: str
    index: int
    probability: float
    probabilities: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    source: str | None = None

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The `count` most probable classes as (label, probability), most probable first."""
        return _top(self.probabilities, self.labels, count)

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {
            "source": self.source,
            "label": self.label,
            "probability": self.probability,
            "top": _named(self.top(top)),
        }


@dataclass(frozen=True, slots=True)
class Multilabel:
    """The labels that hold for one row; none, one or several.

    Attributes:
        probabilities: float32 (K,), each between 0 and 1 by itself.
        labels: the K label names.
        source: the file, text or row it came from, or None.
    """

    probabilities: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    source: str | None = None

    @property
    def chosen(self) -> list[tuple[str, float]]:
        """The labels above a probability of 0.5 as (label, probability), most probable first."""
        return [entry for entry in self.top(len(self.labels)) if entry[1] > THRESHOLD]

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The `count` most probable labels as (label, probability), most probable first."""
        return _top(self.probabilities, self.labels, count)

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {"source": self.source, "chosen": _named(self.chosen), "top": _named(self.top(top))}


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
class Dense:
    """The class at each position of one row.

    Attributes:
        classes: int64 (L,) or (H, W), positions in `labels`.
        probability: float32 of the same shape, that of the class chosen.
        labels: the K class names.
        source: the file, text or row it came from, or None.
    """

    classes: npt.NDArray[np.int64]
    probability: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    source: str | None = None

    def shares(self) -> list[tuple[str, float]]:
        """The classes that occur, as (label, share of the positions), greatest share first."""
        counts = np.bincount(self.classes.reshape(-1), minlength=len(self.labels))
        found = _top(counts / self.classes.size, self.labels, len(self.labels))
        return [entry for entry in found if entry[1] > 0]

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON; `top` is without meaning here."""
        shares = [{"label": label, "share": share} for label, share in self.shares()]
        return {"source": self.source, "classes": self.classes.tolist(), "shares": shares}


@dataclass(frozen=True, slots=True)
class Embedding:
    """The embedding of one row: float32 (D,)."""

    values: npt.NDArray[np.float32]
    source: str | None = None

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON; `top` is without meaning here."""
        return {"source": self.source, "embedding": self.values.tolist()}


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be read, and why."""

    source: str | None
    error: ToolkitError

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {"source": self.source, "error": str(self.error)}


Prediction: TypeAlias = Classification | Multilabel | Regression | Dense | Embedding | Failure

_ROLES: dict[str, tuple[str, ...]] = {"regression": ("values",), "embedding": ("embedding",), "raw": ("values",)}


def prediction_output(card: ModelCard) -> str:
    """The output that answers the card's task.

    Raises:
        CardError: the card names none.
    """
    for role in _ROLES.get(card.task, ("probabilities", "logits")):
        name = card.output(role)
        if name is not None:
            return name
    roles = ", ".join(f"{output.name} ({output.role})" for output in card.outputs) or "none"
    raise CardError(
        f"The model's card has the task {card.task!r} and the outputs {roles}; none of them is a prediction. "
        f"Use .run(...) for its arrays."
    )


def interpret(values: npt.NDArray[Any], card: ModelCard, sources: Sequence[str | None]) -> list[Prediction]:
    """The prediction output (N, ...) -> N results.

    Raises:
        CardError: the output has another number of classes than the card has labels.
    """
    if card.task == "dense":
        return list(_dense(values, card, sources))
    rows = values.reshape(len(values), -1)
    pairs = list(zip(rows, sources, strict=True))
    if card.task == "embedding":
        return [Embedding(row.astype(np.float32, copy=False), source) for row, source in pairs]
    if card.task == "multilabel":
        labels = _labels(card, rows.shape[1])
        if card.output("probabilities") is None:
            rows = _sigmoid(rows)
        return [Multilabel(row, labels, source) for row, source in zip(rows, sources, strict=True)]
    if card.task != "classification":
        names = card.labels or tuple(f"value {index}" for index in range(rows.shape[1]))
        if len(names) != rows.shape[1]:
            raise CardError(
                f"The card names {len(names)} values, but the model gives {rows.shape[1]}. Export it again."
            )
        return [Regression(row, names, source) for row, source in pairs]
    if card.output("probabilities") is None:
        rows = _softmax(rows, 1)
    labels = _labels(card, rows.shape[1])
    best = rows.argmax(axis=1)
    return [
        Classification(labels[index], int(index), float(row[index]), row, labels, source)
        for row, index, source in zip(rows, best, sources, strict=True)
    ]


def _dense(values: npt.NDArray[Any], card: ModelCard, sources: Sequence[str | None]) -> list[Dense]:
    if values.ndim < 3:
        raise CardError(
            f"The model's output has the shape {values.shape}; a class at each position, of shape (N, L, K) or (N, K, H, W), is "
            f"expected of the task 'dense'. Export it again."
        )
    axis = class_axis(values.ndim)
    labels = _labels(card, values.shape[axis])
    probabilities = values if card.output("probabilities") is not None else _softmax(values, axis)
    best = probabilities.argmax(axis=axis).astype(np.int64)  # (N, L) or (N, H, W)
    chosen = probabilities.max(axis=axis).astype(np.float32, copy=False)
    return [
        Dense(classes, probability, labels, source)
        for classes, probability, source in zip(best, chosen, sources, strict=True)
    ]


def class_axis(axes: int) -> int:
    """Where the classes lie in an output of so many axes: (N, K), (N, L, K), (N, K, H, W)."""
    return 2 if axes == 3 else 1


def _labels(card: ModelCard, count: int) -> tuple[str, ...]:
    labels = card.labels or tuple(map(str, range(count)))
    if len(labels) != count:
        raise CardError(
            f"The card has {len(labels)} labels, but the model gives {count} probabilities. Export it again."
        )
    return labels


def _top(values: npt.NDArray[Any], labels: tuple[str, ...], count: int) -> list[tuple[str, float]]:
    order = np.argsort(-values, kind="stable")[:count]
    return [(labels[index], float(values[index])) for index in order]


def _named(entries: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"label": label, "probability": probability} for label, probability in entries]


def _softmax(values: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    shifted = np.exp(values - values.max(axis=axis, keepdims=True))
    result: npt.NDArray[Any] = shifted / shifted.sum(axis=axis, keepdims=True)
    return result


def _sigmoid(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    # by the sign, so that nothing overflows
    small = np.exp(-np.abs(values))
    result: npt.NDArray[Any] = np.where(values >= 0, 1, small) / (1 + small)
    return result
