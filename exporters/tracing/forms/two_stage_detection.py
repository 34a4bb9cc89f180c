"""Export form of torchvision's Faster R-CNN (https://arxiv.org/abs/1506.01497) and its Mask and Keypoint variants."""

from __future__ import annotations

import math
from typing import Any

import torch

from exporters.outputs.detection import PaddedDetections
from exporters.tracing.forms.detection import DenseDetector, clip, ratios
from exporters.tracing.forms.keypoint_peaks import keypoints_of
from exporters.tracing.forms.mask_pasting import paste_masks
from exporters.tracing.forms.suppression_mask import best, kept

__all__ = ["DenseRCNN"]

# Narrower boxes count as empty (torchvision's RoIHeads).
_EMPTY = 1e-2


class DenseRCNN(DenseDetector):
    """Faster R-CNN, Mask R-CNN and Keypoint R-CNN (https://arxiv.org/abs/1703.06870)."""

    def __init__(self, padded: PaddedDetections) -> None:
        super().__init__(padded)
        self.heads: Any = self.detector.roi_heads

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """As PaddedDetections."""
        result = super().forward(images)
        there = (result["scores"] > 0).to(images.dtype)[..., None]
        if "masks" in result:
            masks = paste_masks(result["masks"], result["boxes"], images.shape[-2:])
            result["masks"] = masks * there[..., None, None]
        if "keypoints" in result:
            scale = ratios(self._prepared_size(images), images.shape[-2:], images)[:2]
            places = torch.cat([result["keypoints"][..., :2] * scale, result["keypoints"][..., 2:]], -1)
            result["keypoints"] = places * there[..., None]
            result["keypoints_scores"] = result["keypoints_scores"] * there
        return result

    def detect(
        self, batch: torch.Tensor, size: tuple[int, int], features: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """As DenseDetector; with masks (N, D, M, M) of each box, or keypoints, where the network has them."""
        proposals, there = self._proposals(batch, size, list(features.values()))
        heads = self.heads
        pooled = _pooled(heads.box_roi_pool, features, proposals, size)
        logits, codes = heads.box_predictor(heads.box_head(pooled))
        count = proposals.shape[1]
        classes = logits.shape[-1]
        boxes = heads.box_coder.decode_single(codes, proposals.reshape(-1, 4))
        boxes = clip(boxes.reshape(-1, count, classes, 4), size)[:, :, 1:].transpose(1, 2)  # (N, K - 1, P, 4)
        scores = logits.softmax(-1).reshape(-1, count, classes)[..., 1:].transpose(1, 2)  # (N, K - 1, P)
        scores = torch.where(there[:, None] & _not_smaller(boxes, _EMPTY), scores, 0.0)
        left = kept(boxes.reshape(-1, count, 4), scores.reshape(-1, 1, count), heads.nms_thresh, heads.score_thresh)
        labels = torch.arange(1, classes, device=scores.device)[:, None].expand(scores.shape).flatten(1)
        values, boxes, labels = best(
            (scores * left.reshape(scores.shape)).flatten(1), self.most, boxes.flatten(1, 2), labels
        )
        found = {"boxes": boxes, "scores": values, "labels": labels}
        if heads.mask_roi_pool is not None:
            found["masks"] = self._masks(features, found, size)
        if heads.keypoint_roi_pool is not None:
            pooled = _pooled(heads.keypoint_roi_pool, features, boxes, size)
            maps = heads.keypoint_predictor(heads.keypoint_head(pooled))  # (N * D, K, M, M)
            places, certain = keypoints_of(maps, boxes.flatten(0, 1))
            found["keypoints"] = places.reshape(*values.shape, *places.shape[1:])
            found["keypoints_scores"] = certain.reshape(*values.shape, -1)
        return found

    def _proposals(
        self, batch: torch.Tensor, size: tuple[int, int], maps: list[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Region proposals (N, P, 4), and the mask of valid ones (N, P)."""
        network = self.detector.rpn
        objectness, codes = network.head(maps)
        anchors = self.anchors(network.anchor_generator, batch, maps)
        lengths = [level.shape[1] * level.shape[2] * level.shape[3] for level in objectness]
        found = []
        for logits, code, places in zip(objectness, codes, torch.split(anchors, lengths), strict=True):
            flat = logits.permute(0, 2, 3, 1).flatten(1)  # (N, A), by cell, then by anchor
            code = code.reshape(-1, logits.shape[1], 4, *logits.shape[2:]).permute(0, 3, 4, 1, 2).flatten(1, 3)
            flat, index = flat.topk(min(network.pre_nms_top_n(), flat.shape[1]), dim=1)
            code = code.gather(1, index[..., None].expand(-1, -1, 4))
            boxes = network.box_coder.decode_single(code.reshape(-1, 4), places[index].reshape(-1, 4))
            boxes = clip(boxes.reshape(code.shape), size)
            scores = torch.where(_not_smaller(boxes, network.min_size), flat.sigmoid(), 0.0)
            left = kept(boxes, scores[:, None], network.nms_thresh, network.score_thresh)[:, 0]
            found.append((scores * left, boxes))
        scores, boxes = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
        scores, boxes = best(scores, network.post_nms_top_n(), boxes)
        return boxes, scores > 0

    def _masks(
        self, features: dict[str, torch.Tensor], found: dict[str, torch.Tensor], size: tuple[int, int]
    ) -> torch.Tensor:
        """Masks of the boxes for their own classes, (N, D, M, M)."""
        heads = self.heads
        pooled = _pooled(heads.mask_roi_pool, features, found["boxes"], size)
        logits = heads.mask_predictor(heads.mask_head(pooled))  # (N * D, K, M, M)
        labels = found["labels"].flatten()[:, None, None, None].expand(-1, 1, *logits.shape[2:])
        masks: torch.Tensor = logits.gather(1, labels)[:, 0].sigmoid()
        return masks.reshape(*found["labels"].shape, *masks.shape[1:])


def _pooled(pool: Any, features: dict[str, torch.Tensor], boxes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """MultiScaleRoIAlign for a batch: boxes (N, P, 4) -> pooled features (N * P, C, S, S).

    The map that a box is taken from depends on its area (https://arxiv.org/abs/1612.03144, equation 1).
    """
    from torchvision.ops import roi_align

    maps = [level for name, level in features.items() if name in pool.featmap_names]
    scales = pool.scales or [2.0 ** round(math.log2(level.shape[-2] / size[0])) for level in maps]
    rows = torch.arange(boxes.shape[0], device=boxes.device, dtype=boxes.dtype)
    flat = torch.cat([rows[:, None, None].expand(-1, boxes.shape[1], 1), boxes], 2).flatten(0, 1)  # (N * P, 5)
    if len(maps) == 1:
        result: torch.Tensor = roi_align(maps[0], flat, pool.output_size, scales[0], pool.sampling_ratio)
        return result
    least, most = (int(-math.log2(scale)) for scale in (scales[0], scales[-1]))
    side = ((flat[:, 3] - flat[:, 1]) * (flat[:, 4] - flat[:, 2])).sqrt()
    level = torch.floor(pool.canonical_level + torch.log2(side / pool.canonical_scale) + 1e-6).clamp(least, most)
    result = maps[0].new_zeros(flat.shape[0], maps[0].shape[1], *pool.output_size)
    for number, (values, scale) in enumerate(zip(maps, scales, strict=True), least):
        here = torch.where(level == number)[0]
        part = roi_align(values, flat[here], pool.output_size, scale, pool.sampling_ratio)
        result = result.index_put((here,), part)
    return result


def _not_smaller(boxes: torch.Tensor, least: float) -> torch.Tensor:
    """Mask of boxes, (..., 4) -> (...) bool, whose sides are both at least that long."""
    return (boxes[..., 2] - boxes[..., 0] >= least) & (boxes[..., 3] - boxes[..., 1] >= least)
