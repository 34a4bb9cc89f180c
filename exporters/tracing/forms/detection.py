"""Base of the export forms of torchvision's detectors: the same computation for a whole batch, with every shape fixed.

torchvision goes through the pictures one by one and keeps lists of as many boxes as are left. Here boxes that do not count
stay where they are with a score of 0, so that a batch of any size is one graph. Height and width are fixed.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch

from exporters.outputs.detection import NOTHING, PaddedDetections
from exporters.tracing.forms.suppression_mask import best, kept

__all__ = ["DenseDetector", "clip", "one_class_each", "ratios"]


class DenseDetector(torch.nn.Module, abc.ABC):
    """Batched detector, (N, 3, H, W) -> results as PaddedDetections, without a shape that depends on the values."""

    def __init__(self, padded: PaddedDetections) -> None:
        super().__init__()
        self.detector: Any = padded.detector
        self.most = padded.most

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Detect with the results of PaddedDetections."""
        batch, size = self._prepare(images)
        features = self.detector.backbone(batch)
        features = {"0": features} if isinstance(features, torch.Tensor) else dict(features)
        found = self.detect(batch, size, features)
        there = found["scores"] > 0
        boxes = found["boxes"] * ratios(size, images.shape[-2:], found["boxes"])
        return {
            **found,
            "boxes": torch.where(there[..., None], boxes, 0.0),
            "labels": torch.where(there, found["labels"], NOTHING),
        }

    @abc.abstractmethod
    def detect(
        self, batch: torch.Tensor, size: tuple[int, int], features: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Detect on prepared pictures (N, 3, H', W'), `size` without padding, and feature maps: boxes, scores and labels."""

    def _prepare(self, images: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int]]:
        """GeneralizedRCNNTransform for a whole batch: normalise, resize, pad. Also returns the size before padding."""
        transform = self.detector.transform
        height, width = self._prepared_size(images)
        mean = images.new_tensor(transform.image_mean)[:, None, None]
        std = images.new_tensor(transform.image_std)[:, None, None]
        images = (images - mean) / std
        images = torch.nn.functional.interpolate(images, (height, width), mode="bilinear", align_corners=False)
        step = transform.size_divisible
        return torch.nn.functional.pad(images, (0, -width % step, 0, -height % step)), (height, width)

    def _prepared_size(self, images: torch.Tensor) -> tuple[int, int]:
        """Height and width after resizing."""
        transform = self.detector.transform
        if transform.fixed_size is not None:
            return transform.fixed_size[1], transform.fixed_size[0]
        height, width = images.shape[-2:]
        scale = min(transform.min_size[-1] / min(height, width), transform.max_size / max(height, width))
        return int(height * scale), int(width * scale)

    def anchors(self, generator: Any, batch: torch.Tensor, maps: list[torch.Tensor]) -> torch.Tensor:
        """Anchors (A, 4), the same for every picture."""
        result: torch.Tensor = generator(SimpleNamespace(tensors=batch, image_sizes=[None]), maps)[0]
        return result

    def select(
        self,
        boxes: torch.Tensor,
        scores: torch.Tensor,
        labels: torch.Tensor,
        overlap: float,
        least: float,
        classes: int,
    ) -> dict[str, torch.Tensor]:
        """Select the best D of candidates (N, C, 4), (N, C), (N, C) after suppression within each class."""
        left = kept(boxes, one_class_each(scores, labels, classes), overlap, least).amax(1)
        scores, boxes, labels = best(scores * left, self.most, boxes, labels)
        return {"boxes": boxes, "scores": scores, "labels": labels}


def one_class_each(scores: torch.Tensor, labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Spread scores (N, C) by classes (N, C) -> (N, K, C): each score in its class's row, 0 in the others."""
    own = labels[:, None] == torch.arange(classes, device=labels.device)[:, None]
    return torch.where(own, scores[:, None], 0.0)


def clip(boxes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Clip boxes (..., 4) to a picture of `size` (height, width)."""
    height, width = size
    return torch.stack(
        [
            boxes[..., 0].clamp(0, width),
            boxes[..., 1].clamp(0, height),
            boxes[..., 2].clamp(0, width),
            boxes[..., 3].clamp(0, height),
        ],
        -1,
    )


def ratios(size: Sequence[int], original: Sequence[int], like: torch.Tensor) -> torch.Tensor:
    """Scale factors (4,) that map boxes of a picture of `size` to the `original` size."""
    height, width = (to / of for of, to in zip(size, original, strict=True))
    return like.new_tensor([width, height, width, height])
