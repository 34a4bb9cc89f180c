"""Fidelity of outputs to a reference, in percent: equal decisions, R², cosine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["IGNORED", "determination", "mean_cosine", "right_share", "share"]

IGNORED = -100
"""Targets of this class count neither as right nor as wrong."""


def share(same: npt.NDArray[np.bool_]) -> float:
    """Share of what is True, in percent; 100 of nothing."""
    return 100.0 * float(same.mean()) if same.size else 100.0


def right_share(answers: npt.NDArray[Any], targets: npt.NDArray[Any]) -> float:
    """Share of right classes in percent; both of one shape, targets of `IGNORED` left out."""
    counted = targets != IGNORED
    return share(answers[counted] == targets[counted])


def determination(reference: npt.NDArray[Any], found: npt.NDArray[Any]) -> float:
    """100 R² of `found` (n, ...) for `reference`, each number about its own mean over the rows; one row about its own."""
    if reference.shape != found.shape:
        return 0.0
    reference, found = (
        reference.astype(np.float64),
        found.astype(np.float64),
    )  # squares of float32 may overflow, or vanish
    centre = reference.mean(0) if len(reference) > 1 else reference.mean()
    spread = float(np.square(reference - centre).sum())
    left = float(np.square(reference - found).sum())
    if spread == 0:
        return 100.0 if left <= 1e-12 * float(np.square(reference).sum()) else 0.0
    return 100.0 * (1.0 - left / spread)


def mean_cosine(reference: npt.NDArray[Any], found: npt.NDArray[Any]) -> float:
    """100 times the mean cosine of rows, (n, ...) each; 1 where one has no length."""
    one, other = (values.reshape(len(values), -1).astype(np.float64) for values in (reference, found))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosines = np.where(lengths > 0, (one * other).sum(1) / np.where(lengths > 0, lengths, 1.0), 1.0)
    return 100.0 * float(cosines.mean())
