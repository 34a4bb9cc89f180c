"""Non-maximum suppression with results of a fixed shape: a mask over the boxes in place of a list of those that are left.

The list's length depends on the values, so it can stand at the end of a graph only, and for one picture only. A mask can be
computed with, for any number of pictures at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["best", "kept", "translations"]


@torch.library.custom_op("onnx_edge_toolkit::kept", mutates_args=())
def kept(boxes: torch.Tensor, scores: torch.Tensor, overlap: float, least: float) -> torch.Tensor:
    """Suppression mask of overlapping boxes, each class by itself (ONNX NonMaxSuppression).

    Args:
        boxes: (N, A, 4), two opposite corners of each.
        scores: (N, K, A).
        overlap: of two boxes with a greater intersection over union, the one of the lower score is dropped.
        least: boxes whose score is not above this are dropped.

    Returns:
        (N, K, A) of 0 and 1.
    """
    import torchvision

    result = torch.zeros_like(scores)
    for row, picture in enumerate(scores):
        for number, own in enumerate(picture):
            above = torch.where(own > least)[0]
            left = torchvision.ops.nms(boxes[row, above], own[above], overlap)
            result[row, number, above[left]] = 1
    return result


@kept.register_fake
def _(boxes: torch.Tensor, scores: torch.Tensor, overlap: float, least: float) -> torch.Tensor:
    return torch.empty_like(scores)


def best(scores: torch.Tensor, count: int, *others: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Top scores of each row, in falling order, with the other tensors' entries at the same positions.

    Args:
        scores: (N, A).
        count: how many, or A where that is less.
        others: tensors (N, A, ...).

    Returns:
        Scores (N, count), and of each of the others (N, count, ...).
    """
    values, places = scores.topk(min(count, scores.shape[1]), dim=1)
    picked = []
    for other in others:
        index = places.reshape(*places.shape, *[1] * (other.ndim - 2)).expand(-1, -1, *other.shape[2:])
        picked.append(other.gather(1, index))
    return values, *picked


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Translation table: operator of this package -> the ONNX function that the exporter writes for it."""
    return {torch.ops.onnx_edge_toolkit.kept.default: _onnx_kept}


def _onnx_kept(boxes: Any, scores: Any, overlap: float, least: float) -> Any:
    """ONNX function of `kept`: NonMaxSuppression gives (picture, class, box), where ScatterND writes 1."""
    from onnx import TensorProto, helper
    from onnxscript import opset18

    op: Any = opset18
    left = op.NonMaxSuppression(
        boxes,
        scores,
        op.Constant(value_ints=[2**31 - 1]),
        op.Constant(value_floats=[overlap]),
        op.Constant(value_floats=[least]),
    )
    nothing = op.ConstantOfShape(op.Shape(scores), value=helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]))
    count = op.Shape(left, start=0, end=1)
    ones = op.ConstantOfShape(count, value=helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]))
    return op.ScatterND(nothing, left, ones)
