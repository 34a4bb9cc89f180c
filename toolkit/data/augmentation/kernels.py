"""Batch kernels of flips and crops: the most frequent random transforms, without a call per picture.

torchvision draws for one picture per call; here the numbers of all pictures are drawn together, each from its own seed,
and the pixels are moved by slices. The pixels are those of torchvision for the same place and side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch

from toolkit.data.augmentation.arguments import build_transform
from toolkit.data.augmentation.seeds import uniform

__all__ = ["KERNELS", "Kernel"]

# (pictures (n, C, H, W), seeds (n,), arguments) -> (n, C, h, w)
Kernel: TypeAlias = Callable[[torch.Tensor, np.ndarray, Mapping[str, Any]], torch.Tensor]


def _flipped(axis: int) -> Kernel:
    def flip(pictures: torch.Tensor, seeds: np.ndarray, arguments: Mapping[str, Any]) -> torch.Tensor:
        chosen = torch.from_numpy(np.flatnonzero(uniform(seeds, 0) < arguments.get("p", 0.5)))
        return pictures.index_copy(0, chosen, pictures.index_select(0, chosen).flip(axis)) if len(chosen) else pictures

    return flip


def _cropped(pictures: torch.Tensor, seeds: np.ndarray, arguments: Mapping[str, Any]) -> torch.Tensor:
    height, width = arguments["size"]
    padded = _padded(pictures, arguments).numpy()
    rest = padded.shape[-2] - height, padded.shape[-1] - width
    if min(rest) < 0:
        raise ValueError(
            f"a crop of {height} x {width} is larger than the picture of {padded.shape[-2]} x {padded.shape[-1]} pixels, padding "
            f"included; resize to more, or give padding"
        )
    tops = (uniform(seeds, 0) * (rest[0] + 1)).astype(np.int64).tolist()
    lefts = (uniform(seeds, 1) * (rest[1] + 1)).astype(np.int64).tolist()
    result = np.empty((*padded.shape[:2], height, width), padded.dtype)
    for row, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        result[row] = padded[row, :, top : top + height, left : left + width]
    return torch.from_numpy(result)


def _padded(pictures: torch.Tensor, arguments: Mapping[str, Any]) -> torch.Tensor:
    padding = arguments.get("padding") or 0
    sides = (
        [padding] * 4 if isinstance(padding, int) else list(padding) * (4 // len(padding))
    )  # left, top, right, bottom
    if arguments.get("pad_if_needed"):
        height, width = pictures.shape[-2] + sides[1] + sides[3], pictures.shape[-1] + sides[0] + sides[2]
        more = [max(0, arguments["size"][1] - width), max(0, arguments["size"][0] - height)] * 2
        sides = [side + extra for side, extra in zip(sides, more, strict=True)]
    if not any(sides):
        return pictures
    fill, mode = arguments.get("fill", 0), arguments.get("padding_mode", "constant")
    if mode == "constant" and fill == 0:
        return torch.nn.functional.pad(pictures, (sides[0], sides[2], sides[1], sides[3]))
    padded: torch.Tensor = build_transform("Pad", {"padding": sides, "fill": fill, "padding_mode": mode})(pictures)
    return padded


KERNELS: dict[str, Kernel] = {
    "RandomHorizontalFlip": _flipped(-1),
    "RandomVerticalFlip": _flipped(-2),
    "RandomCrop": _cropped,
}
