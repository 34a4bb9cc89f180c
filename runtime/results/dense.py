"""Dense prediction: one class per position of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.card import ModelCard
from runtime.errors import CardError
from runtime.results.scores import class_axis, class_labels, softmax, top_scores

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Dense", "decode_dense"]


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
        """Shares of the classes that occur, as (label, share of the positions), greatest share first."""
        counts = np.bincount(self.classes.reshape(-1), minlength=len(self.labels))
        found = top_scores(counts / self.classes.size, self.labels, len(self.labels))
        return [entry for entry in found if entry[1] > 0]

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON; `top` is without meaning here."""
        shares = [{"label": label, "share": share} for label, share in self.shares()]
        return {"source": self.source, "classes": self.classes.tolist(), "shares": shares}

    def text_cells(self, top: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(column names, cells) of a line of text: the positions' shape, and the share of each class."""
        shown = "  ".join(f"{label} {share:.1%}" for label, share in self.shares()[:top])
        return ("positions", "share of each class"), (" x ".join(map(str, self.classes.shape)), shown)

    def csv_cells(self, top: int) -> tuple[list[str], list[str]]:
        """(column names, cells) of a line of CSV: the share of each class, 0 for those that do not occur."""
        shares = dict(self.shares())
        return list(self.labels), [repr(shares.get(label, 0.0)) for label in self.labels]


def decode_dense(values: npt.NDArray[Any], card: ModelCard, sources: Sequence[str | None]) -> list[Dense]:
    """Decode probabilities or logits (N, L, K) or (N, K, H, W) -> N results. Raises CardError for other shapes."""
    if values.ndim < 3:
        raise CardError(
            f"The model's output has the shape {values.shape}; a class at each position, of shape (N, L, K) or (N, K, H, W), is "
            f"expected of the task 'dense'. Export it again."
        )
    axis = class_axis(values.ndim)
    labels = class_labels(card, values.shape[axis])
    probabilities = values if card.output("probabilities") is not None else softmax(values, axis)
    best = probabilities.argmax(axis=axis).astype(np.int64)  # (N, L) or (N, H, W)
    chosen = probabilities.max(axis=axis).astype(np.float32, copy=False)
    return [
        Dense(classes, probability, labels, source)
        for classes, probability, source in zip(best, chosen, sources, strict=True)
    ]
