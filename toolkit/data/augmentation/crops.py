"""Several crops of each picture in an evaluation; the network's outputs are averaged over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from runtime.errors import InputError
from toolkit.data.augmentation.steps import Step

__all__ = ["Crops"]


@dataclass(frozen=True)
class Crops:
    """The four corners and the centre ("FiveCrop"), or these and their mirror images ("TenCrop").

    Attributes:
        name: "FiveCrop" or "TenCrop".
        size: (height, width) of each crop.
        vertical_flip: mirror upside down instead of left to right.
    """

    name: str
    size: tuple[int, int]
    vertical_flip: bool = False

    @classmethod
    def from_step(cls, step: Step) -> Crops:
        """Crops of a step FiveCrop or TenCrop."""
        height, width = step.arguments["size"]
        return cls(step.name, (height, width), bool(step.arguments.get("vertical_flip", False)))

    def to_json(self) -> dict[str, Any]:
        """The step it was made from."""
        return {self.name: {"size": list(self.size), **({"vertical_flip": True} if self.vertical_flip else {})}}

    @property
    def count(self) -> int:
        """Number of crops per picture: 5 or 10."""
        return 5 if self.name == "FiveCrop" else 10

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """(n, C, H, W) -> (n, crops, C, height, width).

        Raises:
            InputError: the pictures are smaller than a crop.
        """
        from torchvision.transforms.v2.functional import five_crop, ten_crop

        height, width = pictures.shape[-2:]
        if height < self.size[0] or width < self.size[1]:
            raise InputError(
                f"{self.name} takes {self.size[0]} x {self.size[1]} pixels from pictures of {height} x {width}; resize to more before it."
            )
        if self.name == "FiveCrop":
            return torch.stack(five_crop(pictures, list(self.size)), 1)
        return torch.stack(ten_crop(pictures, list(self.size), vertical_flip=self.vertical_flip), 1)
