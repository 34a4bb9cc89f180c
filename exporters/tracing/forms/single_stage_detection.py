"""Export forms of torchvision's RetinaNet, FCOS and SSD."""

from __future__ import annotations

from typing import Any

import torch

from exporters.outputs.detection import PaddedDetections
from exporters.tracing.forms.detection import DenseDetector, clip
from exporters.tracing.forms.registry import form
from exporters.tracing.forms.suppression_mask import best, kept

__all__ = ["DenseFCOS", "DenseRetinaNet", "DenseSSD", "dense_detector"]


class DenseRetinaNet(DenseDetector):
    """RetinaNet (https://arxiv.org/abs/1708.02002)."""

    def detect(
        self, batch: torch.Tensor, size: tuple[int, int], features: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """As DenseDetector."""
        net: Any = self.detector
        maps = list(features.values())
        outputs = net.head(maps)  # each (N, A, ...)
        anchors = self.anchors(net.anchor_generator, batch, maps)
        cells = [level.shape[2] * level.shape[3] for level in maps]
        each = len(anchors) // sum(cells)  # anchors a cell
        lengths = [count * each for count in cells]
        scores = self.scores(outputs)  # (N, A, K)
        classes = scores.shape[2]
        found = []
        levels = zip(
            torch.split(scores, lengths, 1),
            torch.split(outputs["bbox_regression"], lengths, 1),
            torch.split(anchors, lengths),
            strict=True,
        )
        for level_scores, codes, places in levels:
            flat = level_scores.flatten(1)
            flat = torch.where(flat > net.score_thresh, flat, 0.0)
            values, index = flat.topk(min(net.topk_candidates, flat.shape[1]), dim=1)  # (N, C)
            anchor = torch.div(index, classes, rounding_mode="floor")
            codes = codes.gather(1, anchor[..., None].expand(-1, -1, 4))
            boxes = clip(self.decode(codes, places[anchor]), size)
            found.append((boxes, values, index % classes))
        boxes, values, labels = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
        return self.select(boxes, values, labels, net.nms_thresh, net.score_thresh, classes)

    def scores(self, outputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Scores (N, A, K) from 0 to 1."""
        return outputs["cls_logits"].sigmoid()

    def decode(self, codes: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
        """Decode boxes: regressions (N, C, 4) and anchors (N, C, 4) -> boxes (N, C, 4)."""
        boxes: torch.Tensor = self.detector.box_coder.decode_single(codes.reshape(-1, 4), anchors.reshape(-1, 4))
        return boxes.reshape(codes.shape)


class DenseFCOS(DenseRetinaNet):
    """FCOS (https://arxiv.org/abs/1904.01355): the same with a score of centredness."""

    def scores(self, outputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Scores: geometric mean of class probability and centredness."""
        return (outputs["cls_logits"].sigmoid() * outputs["bbox_ctrness"].sigmoid()).sqrt()

    def decode(self, codes: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
        """Decode boxes as RetinaNet's, from distances to the four sides."""
        boxes: torch.Tensor = self.detector.box_coder.decode(codes, anchors)
        return boxes


class DenseSSD(DenseDetector):
    """SSD and SSDlite (https://arxiv.org/abs/1512.02325); class 0 is the background."""

    def detect(
        self, batch: torch.Tensor, size: tuple[int, int], features: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """As DenseDetector."""
        net: Any = self.detector
        maps = list(features.values())
        outputs = net.head(maps)
        anchors = self.anchors(net.anchor_generator, batch, maps)  # (A, 4)
        codes = outputs["bbox_regression"]  # (N, A, 4)
        boxes = net.box_coder.decode_single(codes.reshape(-1, 4), anchors.expand(codes.shape).reshape(-1, 4))
        boxes = clip(boxes.reshape(codes.shape), size)
        scores = outputs["cls_logits"].softmax(-1)[..., 1:].transpose(1, 2)  # (N, K - 1, A)
        classes = scores.shape[1]
        values, index = scores.topk(min(net.topk_candidates, scores.shape[2]), dim=2)  # (N, K - 1, C)
        candidates = index.shape[2]
        boxes = boxes.gather(1, index.flatten(1)[..., None].expand(-1, -1, 4))  # (N, (K - 1) * C, 4)
        left = kept(
            boxes.reshape(-1, candidates, 4), values.reshape(-1, 1, candidates), net.nms_thresh, net.score_thresh
        )
        labels = torch.arange(1, classes + 1, device=scores.device)[:, None].expand(index.shape).flatten(1)
        values, boxes, labels = best((values * left.reshape(values.shape)).flatten(1), self.most, boxes, labels)
        return {"boxes": boxes, "scores": values, "labels": labels}


_FORMS = {"RetinaNet": DenseRetinaNet, "FCOS": DenseFCOS, "SSD": DenseSSD}


@form(PaddedDetections, symbolic=True)  # its suppression and peaks are operators of torch.export's only
def dense_detector(module: PaddedDetections) -> DenseDetector:
    """Export form of a detector, by its family."""
    from exporters.tracing.forms.two_stage_detection import DenseRCNN

    return _FORMS.get(str(module.family), DenseRCNN)(module)
