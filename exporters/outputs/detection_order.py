"""Matching of two runs' detections into the same order before a comparison.

Detections come in falling order of their scores. Where two scores are equal but for rounding, either may come first, and a
comparison place by place would find two wrong boxes where nothing is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from exporters.outputs.detection import NOTHING

__all__ = ["NOTHING_FOUND", "nothing_found", "same_order"]

NOTHING_FOUND = (
    "nothing was detected in any sample, so no box was compared: give pictures in which something is (example= in Python, --card and "
    "--calibration on the command line)"
)

# Scores are probabilities; those that differ by less may stand in either order.
_EQUAL = 1e-4


def nothing_found(results: Iterable[Mapping[str, np.ndarray]]) -> bool:
    """Test that all results are without any detection, so that comparing them proves little."""
    return all((result["labels"] == NOTHING).all() for result in results if "labels" in result)


def same_order(reference: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Reorder `found` as `reference` is.

    Of each picture every detection of the reference is given the nearest one of the same label and an equal score; those for
    which there is none stay, in their order, in the places that are left, and so are found to differ. Only where the last
    places are shared out among more detections of equal scores than there are places may each run have taken other ones.

    Args:
        reference: at least "boxes" (N, D, 4), "scores" (N, D) and "labels" (N, D); the others (N, D, ...).
        found: the same names and shapes; otherwise it is returned as it is.
    """
    result = {name: np.array(values) for name, values in found.items()}
    names = ("boxes", "scores", "labels")
    if any(name not in found or found[name].shape != reference[name].shape for name in names):
        return result
    for row in range(len(reference["scores"])):
        expected = {name: reference[name][row] for name in names}
        order, cut = _paired(expected, {name: found[name][row] for name in names})
        for name, values in found.items():
            result[name][row] = values[row][order]
            result[name][row][cut] = reference[name][row][cut]
    return result


def _paired(expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(position in `found` of each of `expected` (D,), mask of cuts between equal scores (D,) bool)."""
    count = len(expected["scores"])
    free = np.ones(count, bool)
    order = np.full(count, -1)
    for place in np.flatnonzero(expected["labels"] != NOTHING):
        equal = np.abs(found["scores"] - expected["scores"][place]) <= _EQUAL
        candidates = np.flatnonzero(free & equal & (found["labels"] == expected["labels"][place]))
        if len(candidates):
            distances = np.abs(found["boxes"][candidates] - expected["boxes"][place]).max(1)
            order[place] = candidates[distances.argmin()]
            free[order[place]] = False
    left = np.flatnonzero(order < 0)
    order[left] = np.flatnonzero(free)
    full = expected["labels"][-1] != NOTHING and found["labels"][-1] != NOTHING
    cut = np.zeros(count, bool)
    if full:
        last = max(expected["scores"][-1], found["scores"][-1]) + _EQUAL
        cut[left] = (expected["scores"][left] <= last) & (found["scores"][order[left]] <= last)
    return order, cut
