"""Classification: one class per row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.card import ModelCard
from runtime.results.scores import class_labels, named_scores, scores_text, softmax, top_scores

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Classification", "decode_classification"]


@dataclass(frozen=True, slots=True)
class Classification:
    """The class of one row.

    Attributes:
        label: name of the most probable class.
        index: its position.
        probability: between 0 and 1.
        probabilities: float32 (K,), one per class.
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
        """Top `count` classes as (label, probability), most probable first."""
        return top_scores(self.probabilities, self.labels, count)

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {
            "source": self.source,
            "label": self.label,
            "probability": self.probability,
            "top": named_scores(self.top(top)),
        }

    def text_cells(self, top: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(column names, cells) of a line of text: the label, its probability, the next classes."""
        cells = (self.label, f"{self.probability:.4f}", scores_text(self.top(top)[1:]))
        return ("label", "probability", "then"), cells

    def csv_cells(self, top: int) -> tuple[list[str], list[str]]:
        """(column names, cells) of a line of CSV: the `top` most probable labels, each with its probability."""
        best = self.top(top)
        more = [f"{what}_{rank}" for rank in range(2, len(best) + 1) for what in ("label", "probability")]
        cells = [cell for label, probability in best for cell in (label, repr(probability))]
        return ["label", "probability", *more], cells


def decode_classification(
    values: npt.NDArray[Any], card: ModelCard, sources: Sequence[str | None]
) -> list[Classification]:
    """Decode probabilities or logits (N, K) -> N results. Raises CardError where the labels are not K."""
    rows = values.reshape(len(values), -1)
    if card.output("probabilities") is None:
        rows = softmax(rows, 1)
    labels = class_labels(card, rows.shape[1])
    best = rows.argmax(axis=1)
    return [
        Classification(labels[index], int(index), float(row[index]), row, labels, source)
        for row, index, source in zip(rows, best, sources, strict=True)
    ]
