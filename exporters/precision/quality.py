"""Quality of a file: accuracy on labelled data, and agreement with the float32 file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.card import ModelCard
from runtime.results import THRESHOLD, class_axis, prediction_output
from toolkit.data.dataset import IGNORED

__all__ = ["Quality", "measure_name", "measured_outputs", "quality"]

Arrays = Mapping[str, "np.ndarray[Any, Any]"]

_RIGHT = {
    "classification": "accuracy",
    "multilabel": "labels right",
    "dense": "positions right",
    "regression": "R²",
}
_ALIKE = {
    "classification": "same class as fp32",
    "multilabel": "same labels as fp32",
    "dense": "same positions as fp32",
    "embedding": "cosine with fp32",
}


@dataclass(frozen=True)
class Quality:
    """Quality of a file's outputs: `right` and `alike` in percent, 100 is best.

    Attributes:
        right: on labelled data: classes, labels or positions that are right, or R² of values; None without labels.
        alike: agreement with float32: equal classes, labels or positions, the mean cosine of embeddings, R² of values.
        error: root mean square of the difference from float32, relative to that of float32's outputs; a ratio.
    """

    right: float | None
    alike: float
    error: float

    def drop_from(self, base: Quality) -> float:
        """Percentage points lost: of `right` where it is known, else of `alike`."""
        return 100.0 - self.alike if self.right is None or base.right is None else base.right - self.right


def measured_outputs(card: ModelCard) -> tuple[str, ...]:
    """Outputs to measure: the one that answers the task; all of them where the task is unknown."""
    return tuple(output.name for output in card.outputs) if card.task == "raw" else (prediction_output(card),)


def measure_name(card: ModelCard, *, labelled: bool) -> str:
    """Name of the measure in a table."""
    return _RIGHT.get(card.task, "R²") if labelled else _ALIKE.get(card.task, "R² against fp32")


def quality(card: ModelCard, reference: Arrays, found: Arrays, targets: np.ndarray[Any, Any] | None) -> Quality:
    """Compare the outputs of `measured_outputs`, (n, ...) each, with the float32 file's and with the targets.

    Args:
        card: says the task.
        reference: the float32 file's outputs.
        found: the file's outputs.
        targets: as a data set of the task has them; None where they are not known.
    """
    pairs = [(_finite(reference[name]), _finite(found[name])) for name in reference]
    alike = min((_alike(card, one, other) for one, other in pairs), default=100.0)
    squares = [(float(np.square(other - one).sum()), float(np.square(one).sum())) for one, other in pairs]
    difference, length = (sum(values) for values in zip(*squares, strict=True)) if squares else (0.0, 0.0)
    error = float(np.sqrt(difference / length)) if length else float(difference > 0)
    right = None if targets is None else _right(card, pairs[0][1], targets)
    return Quality(right, alike, error)


def _finite(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Convert to float64 with NaN as 0, so that NaN counts as a wrong answer."""
    finite: np.ndarray[Any, Any] = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=1e30, neginf=-1e30)
    return finite


def _alike(card: ModelCard, reference: np.ndarray[Any, Any], found: np.ndarray[Any, Any]) -> float:
    if card.task in ("classification", "dense"):
        axis = class_axis(reference.ndim)
        return _share(reference.argmax(axis) == found.argmax(axis))
    if card.task == "multilabel":
        return _share(_label_decisions(card, reference) == _label_decisions(card, found))
    if card.task == "embedding":
        one, other = (values.reshape(len(values), -1) for values in (reference, found))
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        cosines = np.where(lengths > 0, (one * other).sum(1) / np.where(lengths > 0, lengths, 1.0), 1.0)
        return 100.0 * float(cosines.mean())
    return _determination(reference, found)


def _right(card: ModelCard, found: np.ndarray[Any, Any], targets: np.ndarray[Any, Any]) -> float:
    if card.task == "regression":
        return _determination(targets.reshape(len(targets), -1).astype(np.float64), found.reshape(len(found), -1))
    if card.task == "multilabel":
        return _share(_label_decisions(card, found) == (targets > 0.5))
    answers = found.argmax(class_axis(found.ndim))
    counted = targets != IGNORED
    return _share(answers[counted] == targets[counted])


def _label_decisions(card: ModelCard, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Multilabel decision, bool: probability above THRESHOLD, or logit above 0 without a probabilities output."""
    holds: np.ndarray[Any, Any] = values > (THRESHOLD if card.output("probabilities") is not None else 0.0)
    return holds


def _determination(reference: np.ndarray[Any, Any], found: np.ndarray[Any, Any]) -> float:
    """100 R² of `found` (n, ...) for `reference`, each number about its own mean over the rows; one row about its own."""
    if reference.shape != found.shape:
        return 0.0
    centre = reference.mean(0) if len(reference) > 1 else reference.mean()
    spread = float(np.square(reference - centre).sum())
    left = float(np.square(reference - found).sum())
    if spread == 0:
        return 100.0 if left <= 1e-12 * float(np.square(reference).sum()) else 0.0
    return 100.0 * (1.0 - left / spread)


def _share(same: np.ndarray[Any, Any]) -> float:
    return 100.0 * float(same.mean()) if same.size else 100.0
