"""Quality of a file: accuracy on labelled data, and agreement with the float32 file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.card import ModelCard
from runtime.results import find_decoder

__all__ = ["Quality", "measure_name", "measured_outputs", "quality"]

Arrays = Mapping[str, "np.ndarray[Any, Any]"]


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
    """Outputs to measure: those that answer the task; all of them where the task is unknown."""
    decoder = find_decoder(card.task)
    return decoder.outputs(card) if decoder.typed else tuple(output.name for output in card.outputs)


def measure_name(card: ModelCard, *, labelled: bool) -> str:
    """Name of the measure in a table."""
    decoder = find_decoder(card.task)
    return decoder.measure or "R²" if labelled else decoder.likeness


def quality(card: ModelCard, reference: Arrays, found: Arrays, targets: np.ndarray[Any, Any] | None) -> Quality:
    """Compare the outputs of `measured_outputs`, (n, ...) each, with the float32 file's and with the targets.

    Args:
        card: says the task.
        reference: the float32 file's outputs.
        found: the file's outputs.
        targets: as a data set of the task has them; None where they are not known.
    """
    decoder = find_decoder(card.task)
    exact = {name: _finite(values) for name, values in reference.items()}
    got = decoder.align(exact, {name: _finite(found[name]) for name in reference})
    alike = decoder.alike(exact, got, card) if exact else 100.0
    squares = [(float(np.square(got[name] - one).sum()), float(np.square(one).sum())) for name, one in exact.items()]
    difference, length = (sum(values) for values in zip(*squares, strict=True)) if squares else (0.0, 0.0)
    error = float(np.sqrt(difference / length)) if length else float(difference > 0)
    right = None if targets is None else decoder.score(got, targets, card)
    return Quality(right, alike, error)


def _finite(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Convert to float64 with NaN as 0, so that NaN counts as a wrong answer."""
    finite: np.ndarray[Any, Any] = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=1e30, neginf=-1e30)
    return finite
