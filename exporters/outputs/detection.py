"""Detectors of torchvision with results of a fixed shape, batched in one file.

As they are, they take a list of pictures and return a dictionary for each, with as many boxes as were found. Here they take
(N, 3, H, W) and return (N, D, ...): the D that a picture can have at most, the ones found first, and nothing behind them.
"""

from __future__ import annotations

from typing import Any

import torch

from runtime.errors import SpecError

__all__ = ["NOTHING", "PaddedDetections", "family", "padded_detections"]

# The label of a place that holds no detection; its score, box, mask and keypoints are 0.
NOTHING = -1

_NAMES = ("boxes", "scores", "labels", "masks", "keypoints", "keypoints_scores")

_FAMILIES = {
    "torchvision.models.detection.generalized_rcnn": "GeneralizedRCNN",
    "torchvision.models.detection.retinanet": "RetinaNet",
    "torchvision.models.detection.fcos": "FCOS",
    "torchvision.models.detection.ssd": "SSD",
}


def family(module: torch.nn.Module) -> str | None:
    """Detector family of a torchvision module: "GeneralizedRCNN", "RetinaNet", "FCOS", "SSD", or None.

    Told by name, so that torchvision need not be imported for every other network.
    """
    for kind in type(module).__mro__:
        if _FAMILIES.get(kind.__module__) == kind.__name__:
            return kind.__name__
    return None


def padded_detections(module: torch.nn.Module) -> torch.nn.Module:
    """Wrap a torchvision detector in PaddedDetections; any other module is returned as it is."""
    return module if family(module) is None else PaddedDetections(module)


class PaddedDetections(torch.nn.Module):
    """torchvision detector with results of a fixed shape: pictures (N, 3, H, W) from 0 to 1 -> padded detections.

    Args:
        detector: in evaluation mode.
    """

    def __init__(self, detector: torch.nn.Module) -> None:
        super().__init__()
        self.detector = detector
        self.family = family(detector)
        if self.family is None:
            raise SpecError(
                f"{type(detector).__name__} is none of torchvision's detectors. Write a forward that takes (N, 3, H, W) and "
                f"returns tensors of a fixed shape."
            )

    @property
    def most(self) -> int:
        """Maximum number of detections per picture, D."""
        holder: Any = self.detector.roi_heads if self.family == "GeneralizedRCNN" else self.detector
        return int(holder.detections_per_img)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run the detector as torchvision wrote it.

        Returns:
            "boxes" (N, D, 4): x1, y1, x2, y2 in pixels; "scores" (N, D), falling; "labels" (N, D) int64, -1 where nothing
            is; of some "masks" (N, D, 1, H, W), or "keypoints" (N, D, K, 3) and "keypoints_scores" (N, D, K).
        """
        found: list[dict[str, torch.Tensor]] = self.detector(list(images))
        return {
            name: torch.stack([self._padded(name, single[name]) for single in found])
            for name in _NAMES
            if name in found[0]
        }

    def _padded(self, name: str, values: torch.Tensor) -> torch.Tensor:
        """Pad detections: (n, ...) -> (D, ...)."""
        missing = values.new_full((self.most - len(values), *values.shape[1:]), NOTHING if name == "labels" else 0)
        return torch.cat([values, missing])
