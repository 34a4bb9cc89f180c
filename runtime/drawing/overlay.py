"""Colours of classes over a picture, drawn with Pillow alone."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["class_colour", "overlaid"]

# Turns of the colour circle from one class to the next: the golden section keeps neighbours apart, however many there are.
_TURN = 0.618034


def class_colour(index: int) -> tuple[int, int, int]:
    """A saturated RGB colour of a class, 0 to 255."""
    red, green, blue = colorsys.hsv_to_rgb(index * _TURN % 1.0, 0.85, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def overlaid(picture: Image.Image, classes: npt.NDArray[Any], strength: float = 0.5) -> Image.Image:
    """A new RGB picture: `picture` under the colours of the classes (H, W), stretched to its size.

    Args:
        picture: of any size.
        classes: integers, one per position.
        strength: share of the colours, from 0 to 1.
    """
    known, places = np.unique(classes, return_inverse=True)
    colours = np.array([class_colour(int(index)) for index in known], np.uint8)[places.reshape(classes.shape)]
    cover = Image.fromarray(colours).resize(picture.size, Image.Resampling.NEAREST)
    return Image.blend(picture.convert("RGB"), cover, strength)
