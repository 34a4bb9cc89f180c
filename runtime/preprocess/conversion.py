"""Conversion of pictures of any mode to RGB or grey, large ones in strips."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from runtime.preprocess.pixel_budget import LARGE

__all__ = ["convert", "convert_resized"]

_STRIP = 1 << 20
"""Pixels of a strip."""


def convert(image: Image.Image, color: str) -> Image.Image:
    """Convert a picture to `color`, "RGB" or "grey"; what is transparent is laid over white.

    Raises:
        ValueError: it has 32-bit pixels.
    """
    if _is_converted(image, color) or image.width * image.height <= LARGE:
        return _converted(image, color)
    return _by_strips(image, lambda strip: _converted(strip, color), image.width)


def convert_resized(image: Image.Image, color: str, size: tuple[int, int], resample: Image.Resampling) -> Image.Image:
    """Convert a picture and resize it to (width, height), as `convert` followed by `Image.resize` does, pixel for pixel.

    Pillow resizes rows first and columns then, and rounds to 8 bits in between, so the rows of a strip can be resized as soon as
    the strip is converted: no converted picture of full size is made.

    Raises:
        ValueError: as `convert`.
    """
    if _is_converted(image, color) or image.width * image.height <= LARGE:
        image = _converted(image, color)
    else:
        width = size[0]
        image = _by_strips(image, lambda strip: _converted(strip, color).resize((width, strip.height), resample), width)
    return image if image.size == size else image.resize(size, resample)


def _by_strips(image: Image.Image, change: Callable[[Image.Image], Image.Image], width: int) -> Image.Image:
    """Change a picture strip by strip; changed strips are `width` pixels wide."""
    height = max(1, _STRIP // image.width)
    result: Image.Image | None = None
    for top in range(0, image.height, height):
        strip = change(image.crop((0, top, image.width, min(top + height, image.height))))
        if result is None:
            result = Image.new(strip.mode, (width, image.height))
        result.paste(strip, (0, top))
    assert result is not None, "a large picture has rows"
    return result


def _mode(color: str) -> str:
    return "RGB" if color == "RGB" else "L"


def _is_converted(image: Image.Image, color: str) -> bool:
    return image.mode == _mode(color) and "transparency" not in image.info


def _converted(image: Image.Image, color: str) -> Image.Image:
    if _is_converted(image, color):
        return image
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255; a 16-bit grey scale is meant to be divided.
        wide = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError(f"it has 32-bit pixels (mode {image.mode}); 8 or 16 bits a channel are expected")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        # Transparent pixels are laid over white, as a page shows them; the colour hidden below is arbitrary.
        image = image.convert("RGBA")
        page = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(page, image).convert("RGB")
    return image.convert(_mode(color))
