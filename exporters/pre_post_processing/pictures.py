"""Test pictures for an embedded pre-processing: many sizes and contents, and pictures recovered from samples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from runtime.card import ImageInput
from runtime.preprocess import crop_start, resized_size

__all__ = ["accepts", "raw_from_prepared", "trial_pictures"]

Pixels = npt.NDArray[np.uint8]

# Heights and widths: one pixel, thin, wide, tall, odd, and about that of a small photograph.
_SIZES = ((1, 1), (1, 37), (53, 1), (2, 3), (19, 7), (5, 210), (230, 9), (97, 98), (256, 256), (367, 511))
# A picture far longer than wide becomes very large where its shorter side is brought to a length.
_MOST_PIXELS = 2**23


def trial_pictures(card: ImageInput, samples: Pixels) -> Iterator[Pixels]:
    """Batches uint8 (2, H, W, C) of the sizes that the card takes: noise, black and white, gradients, and the samples.

    Args:
        card: of the pre-processing under test.
        samples: uint8 (n, h, w, C), real pictures where there are any.
    """
    random = np.random.default_rng(0)
    height, width = card.size
    sizes = [*_SIZES, (height, width), (2 * height + 1, 2 * width - 1), (3 * height, height), (width, 4 * width)]
    for number, (rows, columns) in enumerate(size for size in dict.fromkeys(sizes) if accepts(size, card)):
        shape = (rows, columns, card.channels)
        noise = random.integers(0, 256, shape, np.uint8)
        if number % 3 == 0:
            other = (random.integers(0, 2, shape) * 255).astype(np.uint8)
        elif number % 3 == 1:
            slope = np.linspace(0, 255, columns)[None, :] * np.linspace(1, 0.2, rows)[:, None]
            other = np.repeat(slope[:, :, None], card.channels, axis=2).astype(np.uint8)
        else:
            other = _resized(samples[number % len(samples)], rows, columns)
        yield np.stack([noise, other])


def accepts(size: tuple[int, int], card: ImageInput) -> bool:
    """Test that a picture of this size is prepared to the card's size without too large an intermediate picture."""
    resized = resized_size(*size, card)
    return (card.crop is not None or resized == card.size) and resized[0] * resized[1] <= _MOST_PIXELS


def raw_from_prepared(prepared: npt.NDArray[np.float32], card: ImageInput) -> Pixels:
    """Prepared rows (n, *shape) -> uint8 (n, H, W, C) that the card's preparation turns into them again.

    Exactly so where they came from pictures and no crop lies outside of the resized picture; else about so.
    """
    values = prepared if card.layout == "NHWC" else prepared.transpose(0, 2, 3, 1)
    std, mean = np.array(card.std or (1.0,)), np.array(card.mean or (0.0,))
    pixels = np.clip(np.round((values * std + mean) / card.scale), 0, 255).astype(np.uint8)
    height, width = _size_before_crop(card, pixels.shape[1:3])
    return _padded(_padded(pixels, 1, height), 2, width)


def _size_before_crop(card: ImageInput, size: tuple[int, ...]) -> tuple[int, int]:
    """Picture size that the resizing leaves alone and the crop fits into."""
    if card.resize is None or card.crop is None:
        return size[0], size[1]
    if not isinstance(card.resize, int):
        return card.resize
    height, width = (max(card.resize, length) for length in card.crop)
    # one of the sides is the shorter one, of the length that the card asks for
    return (card.resize, width) if height <= width else (height, card.resize)


def _padded(pixels: Pixels, axis: int, length: int) -> Pixels:
    """Pad one axis to a length by repeating the borders, or crop it at the centre."""
    have = pixels.shape[axis]
    if have >= length:
        return np.take(pixels, range(crop_start(have, length), crop_start(have, length) + length), axis)
    before = crop_start(length, have)
    borders = [(0, 0)] * pixels.ndim
    borders[axis] = (before, length - have - before)
    return np.pad(pixels, borders, mode="edge")


def _resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """Resize one picture (h, w, C)."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    found = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    return found[:, :, None] if found.ndim == 2 else found
