"""torchvision's `batched_nms` without its choice by the number of boxes, which is a branch on a length."""

from __future__ import annotations

import torch

from exporters.tracing.forms.functions import python_form

__all__ = ["suppressed_by_class"]


@python_form("torchvision.ops.boxes", "batched_nms")
def suppressed_by_class(
    boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float
) -> torch.Tensor:
    """Class-wise suppression, boxes (A, 4), scores (A,), classes (A,) -> kept positions: offsets keep classes from overlapping."""
    import torchvision

    places = idxs.to(boxes) * (boxes.max() + 1)
    left: torch.Tensor = torchvision.ops.nms(boxes + places[:, None], scores, iou_threshold)
    return left
