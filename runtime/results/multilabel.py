"""Multilabel: none, one or several labels per row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.card import ModelCard
from runtime.results.scores import class_labels, named_scores, scores_text, sigmoid, top_scores

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["THRESHOLD", "Multilabel", "decode_multilabel"]

THRESHOLD = 0.5
"""Labels above this probability hold."""


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
        """Chosen labels, above a probability of 0.5, as (label, probability), most probable first."""
        return [entry for entry in self.top(len(self.labels)) if entry[1] > THRESHOLD]

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """Top `count` labels as (label, probability), most probable first."""
        return top_scores(self.probabilities, self.labels, count)

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {"source": self.source, "chosen": named_scores(self.chosen), "top": named_scores(self.top(top))}

    def text_cells(self, top: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(column names, cells) of a line of text: the labels that hold, and the most probable ones."""
        return ("labels", "most probable"), (scores_text(self.chosen) or "none", scores_text(self.top(top)))

    def csv_cells(self, top: int) -> tuple[list[str], list[str]]:
        """(column names, cells) of a line of CSV: the probability of each label."""
        return list(self.labels), [repr(float(value)) for value in self.probabilities]


def decode_multilabel(values: npt.NDArray[Any], card: ModelCard, sources: Sequence[str | None]) -> list[Multilabel]:
    """Decode probabilities or logits (N, K) -> N results. Raises CardError where the labels are not K."""
    rows = values.reshape(len(values), -1)
    labels = class_labels(card, rows.shape[1])
    if card.output("probabilities") is None:
        rows = sigmoid(rows)
    return [Multilabel(row, labels, source) for row, source in zip(rows, sources, strict=True)]
