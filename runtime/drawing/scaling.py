"""Scaling of pictures to the place that they are shown in."""

from __future__ import annotations

from PIL import Image

__all__ = ["scaled_within"]


def scaled_within(image: Image.Image, width: int, height: int) -> Image.Image:
    """A new picture of the same proportions that fills a width or a height in pixels; small ones keep their pixels visible."""
    scale = min(width / image.width, height / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS)
