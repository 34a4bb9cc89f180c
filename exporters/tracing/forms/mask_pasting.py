"""Pasting of box masks into masks of the whole picture, without a loop over the boxes.

torchvision resizes each mask to its box and copies it into an empty picture. Bilinear resizing is separable: a product with one
matrix for the rows and one for the columns, which can also put the result in its place; outside of the box they are 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["paste_masks"]


def paste_masks(masks: torch.Tensor, boxes: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Paste masks as torchvision's paste_masks_in_image with its padding of 1.

    Args:
        masks: (N, D, M, M), values from 0 to 1.
        boxes: (N, D, 4): x1, y1, x2, y2 in pixels.
        size: height and width of the picture.

    Returns:
        (N, D, 1, H, W).
    """
    side = masks.shape[-1]
    masks = torch.nn.functional.pad(masks, (1, 1, 1, 1))
    middle = (boxes[..., 2:] + boxes[..., :2]) * 0.5
    half = (boxes[..., 2:] - boxes[..., :2]) * 0.5 * ((side + 2) / side)
    starts, ends = (middle - half).to(torch.int64), (middle + half).to(torch.int64)  # (N, D, 2), towards 0
    rows = _placed(starts[..., 1], ends[..., 1], size[0], side + 2)
    columns = _placed(starts[..., 0], ends[..., 0], size[1], side + 2)
    return (rows @ masks @ columns.transpose(-1, -2)).unsqueeze(2)


def _placed(start: torch.Tensor, end: torch.Tensor, length: int, side: int) -> torch.Tensor:
    """Matrices (N, D, length, side) that resize `side` positions to start .. end and place them there."""
    count = (end - start + 1).clamp(min=1)[..., None]
    place = torch.arange(length, device=start.device) - start[..., None]  # (N, D, length), within the resized mask
    at = ((place + 0.5) * (side / count.to(torch.float32)) - 0.5).clamp(0, side - 1)
    weights = (1 - (at[..., None] - torch.arange(side, device=start.device)).abs()).clamp(min=0)
    inside = (place >= 0) & (place < count)
    return torch.where(inside[..., None], weights, 0.0)
