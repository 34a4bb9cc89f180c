"""Salt-and-pepper noise, which torchvision lacks."""

from __future__ import annotations

from typing import Any

import torch
from torchvision.transforms import v2

__all__ = ["SaltAndPepperNoise"]


class SaltAndPepperNoise(v2.Transform):  # type: ignore[misc]
    """Turns single pixels white (salt) or black (pepper), in all channels at once. (..., C, H, W) -> the same shape.

    Args:
        amount: share of the pixels that change, 0 to 1.
        ratio: share of salt among them, 0 to 1.

    Raises:
        ValueError: a share is not between 0 and 1.
    """

    def __init__(self, amount: float = 0.05, ratio: float = 0.5) -> None:
        super().__init__()
        for name, share in (("amount", amount), ("ratio", ratio)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name}={share} was given; a share from 0 to 1 is expected.")
        self.amount, self.ratio = float(amount), float(ratio)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = flat_inputs[0].shape[-2:]
        return {"draw": torch.rand(height, width)}

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        white = 1.0 if inpt.is_floating_point() else 255
        draw = params["draw"]  # one draw decides both: below amount * ratio it is salt, up to amount pepper
        noisy = inpt.masked_fill(draw < self.amount, 0)
        return noisy.masked_fill(draw < self.amount * self.ratio, white)
