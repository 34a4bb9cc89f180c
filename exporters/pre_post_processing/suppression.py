"""Non-maximum suppression behind a network that gives boxes and scores: ONNX's operator over the whole batch, and a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from exporters.pre_post_processing.operators import Operators

__all__ = ["Suppression", "kept_boxes", "suppress"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Suppression:
    """Non-maximum suppression settings.

    Attributes:
        iou: boxes of one class that overlap a better one by more, intersection over union, are dropped.
        score: only scores above are looked at.
        most: maximum number of boxes kept per picture, the best ones.
        centres: boxes are (centre x, centre y, width, height); else two opposite corners.
    """

    iou: float = 0.45
    score: float = 0.25
    most: int = 100
    centres: bool = False


def suppress(
    operators: Operators, boxes: str, scores: str, rows: bool, rule: Suppression, results: tuple[str, ...]
) -> None:
    """Add the nodes of a non-maximum suppression.

    Args:
        operators: the builder that the nodes are added to.
        boxes: float32 (N, A, 4).
        scores: float32, (N, A, K) where `rows`, else (N, K, A).
        rows: the scores are (N, A, K).
        rule: the settings.
        results: the output names: int64 (M, 3) with picture, class and box of each; boxes (M, 4), scores (M) and
            int64 classes (M). Pictures come in order, of each the best box first.
    """
    by_class = operators("Transpose", scores, perm=[0, 2, 1]) if rows else scores
    limits = (np.array([rule.most]), np.array([rule.iou], np.float32), np.array([rule.score], np.float32))
    found = operators("NonMaxSuppression", boxes, by_class, *limits, center_point_box=int(rule.centres))
    found = _best_first(operators, by_class, found)
    found = _most_of_each(operators, by_class, found, rule.most)
    selected, chosen, values, classes = results
    operators.named("Identity", [found], [selected])
    pictures, kinds, places = (operators("Gather", found, np.array([column]), axis=1) for column in range(3))
    of_box = operators("Concat", pictures, places, axis=1)
    operators.named("GatherND", [boxes, of_box], [chosen])
    operators.named("GatherND", [by_class, found], [values])
    operators.named("Reshape", [kinds, operators.constant(np.array([-1]))], [classes])


def _best_first(operators: Operators, by_class: str, found: str) -> str:
    """Sort by score, then by picture; TopK is stable for equal ones."""
    count = operators("Gather", operators("Shape", found), np.array([0]), axis=0)
    values = operators("GatherND", by_class, found)
    found = operators("Gather", found, _order(operators, values, count), axis=0)
    pictures = operators("Cast", operators("Gather", found, np.array(0), axis=1), to=TensorProto.FLOAT)
    return operators("Gather", found, _order(operators, operators("Neg", pictures), count), axis=0)


def _order(operators: Operators, values: str, count: str) -> str:
    """Argsort in descending order."""
    greatest = operators("Identity", count)  # a name to derive the outputs' from
    operators.named("TopK", [values, count], [f"{greatest}/values", f"{greatest}/positions"], axis=0)
    return f"{greatest}/positions"


def _most_of_each(operators: Operators, by_class: str, found: str, most: int) -> str:
    """The first `most` rows of each picture."""
    pictures = operators("Gather", found, np.array(0), axis=1)  # (M,)
    number = operators("Gather", operators("Shape", by_class), np.array(0), axis=0)
    every = operators("Range", np.array(0), number, np.array(1))  # (N,)
    same = operators("Equal", operators("Unsqueeze", pictures, np.array([1])), every)  # (M, N)
    counts = operators("ReduceSum", operators("Cast", same, to=TensorProto.INT64), np.array([0]), keepdims=0)
    begins = operators("CumSum", counts, np.array(0), exclusive=1)
    length = operators("Gather", operators("Shape", pictures), np.array(0), axis=0)
    positions = operators("Range", np.array(0), length, np.array(1))
    rank = operators("Sub", positions, operators("Gather", begins, pictures, axis=0))
    return operators("Compress", found, operators("Less", rank, np.array(most)), axis=0)


def kept_boxes(boxes: Array, by_class: Array, rule: Suppression) -> Array:
    """NumPy reference of `suppress`: boxes (N, A, 4), scores (N, K, A) -> int64 (M, 3) with picture, class and box."""
    rows: list[tuple[int, int, int]] = []
    for picture in range(len(boxes)):
        of_picture: list[tuple[float, int, int]] = []
        corners = _corners(boxes[picture], rule.centres)
        for kind, scores in enumerate(by_class[picture]):
            of_picture += [(float(scores[place]), kind, place) for place in _kept(corners, scores, rule)]
        of_picture.sort(key=lambda entry: -entry[0])
        rows += [(picture, kind, place) for _, kind, place in of_picture[: rule.most]]
    return np.array(rows, np.int64).reshape(-1, 3)


def _kept(corners: Array, scores: Array, rule: Suppression) -> list[int]:
    """Positions of the boxes of one class that stay, best first."""
    order = [int(place) for place in np.argsort(-scores, kind="stable") if scores[place] > np.float32(rule.score)]
    kept: list[int] = []
    for place in order:
        if len(kept) == rule.most:
            break
        if all(_overlap(corners[place], corners[better]) <= np.float32(rule.iou) for better in kept):
            kept.append(place)
    return kept


def _overlap(one: Array, other: Array) -> float:
    """Intersection over union of two boxes of corners."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    together = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - shared
    return shared / together if together > 0 else 0.0


def _corners(boxes: Array, centres: bool) -> Array:
    if centres:
        half = boxes[:, 2:] / 2
        return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
    return np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
