"""Class scores: logits to probabilities, the class axis, top scores with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from runtime.card import ModelCard
from runtime.errors import CardError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "class_axis",
    "class_labels",
    "label_count",
    "named_scores",
    "not_finite",
    "scores_text",
    "sigmoid",
    "softmax",
    "top_scores",
]


def class_axis(axes: int) -> int:
    """Class axis of an output, by its rank: (N, K), (N, L, K), (N, K, H, W)."""
    return 2 if axes == 3 else 1


def class_labels(card: ModelCard, count: int) -> tuple[str, ...]:
    """The card's labels, or positions as texts where it has none.

    Raises:
        CardError: the card has another number of labels than `count`, the model's classes.
    """
    labels = card.labels or tuple(map(str, range(count)))
    if len(labels) != count:
        raise CardError(
            f"The card has {len(labels)} labels, but the model gives {count} probabilities. Export it again."
        )
    return labels


def label_count(card: ModelCard) -> int | str:
    """Number of the card's labels; "several" where it names none."""
    return len(card.labels) or "several"


def top_scores(values: npt.NDArray[Any], labels: tuple[str, ...], count: int) -> list[tuple[str, float]]:
    """Top `count` of K scores (K,) as (label, score), highest first; the first of equal ones first."""
    order = np.argsort(-values, kind="stable")[:count]
    return [(labels[index], float(values[index])) for index in order]


def named_scores(entries: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    """Plain containers of (label, probability) pairs, for JSON."""
    return [{"label": label, "probability": probability} for label, probability in entries]


def scores_text(entries: Sequence[tuple[str, float]]) -> str:
    """Text of (label, probability) pairs on one line."""
    return "  ".join(f"{label} {probability:.3f}" for label, probability in entries)


def not_finite(values: npt.NDArray[Any], activation: Literal["softmax", "sigmoid"] | None = None) -> dict[int, str]:
    """Rows of (N, ...) that hold no finite numbers: row -> what it holds, such as "NaN in 3 of the 10 numbers".

    Before a sigmoid an infinite number is one; before a softmax the greatest over the classes must be finite, so that an infinitely
    small one, of a class that was left out, is one too.
    """
    if values.dtype.kind not in "fc" or values.ndim == 0 or not values.size:
        return {}
    if activation == "sigmoid":
        wrong = np.isnan(values)
    elif activation == "softmax" and values.ndim > 1:
        wrong = ~np.isfinite(values.max(axis=class_axis(values.ndim), keepdims=True))
    else:
        wrong = ~np.isfinite(values)
    if not wrong.any():
        return {}
    rows, wrong = values.reshape(len(values), -1), wrong.reshape(len(values), -1)
    found = {}
    for row in np.flatnonzero(wrong.any(axis=1)):
        nans = int(np.isnan(rows[row]).sum())
        count = nans or int((~np.isfinite(rows[row])).sum())
        found[int(row)] = f"{'NaN' if nans else 'infinity'} in {count:,} of the {rows.shape[1]:,} numbers"
    return found


def softmax(values: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    """Softmax along an axis, of the same shape and dtype."""
    shifted = np.exp(values - values.max(axis=axis, keepdims=True))
    result: npt.NDArray[Any] = shifted / shifted.sum(axis=axis, keepdims=True)
    return result


def sigmoid(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Logistic sigmoid of each value."""
    # by the sign, so that nothing overflows
    small = np.exp(-np.abs(values))
    result: npt.NDArray[Any] = np.where(values >= 0, 1, small) / (1 + small)
    return result
