"""Pre-processing of pictures given as arrays: resize, crop and normalise by the card, as for picture files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from runtime.card import ImageInput, image_inputs
from runtime.errors import InputError
from runtime.preprocess import decode
from runtime.processors import usable_processors
from toolkit.data.dataset import Dataset
from toolkit.data.stores import PixelStore

__all__ = ["apply_card"]


def apply_card(data: Dataset, card: ImageInput | None = None, *, keep_originals: bool = False) -> Dataset:
    """The data set with the resize, crop and normalisation of `card`; its own colour stays.

    Args:
        data: loaded from arrays.
        card: as `parse_transform` gives it; None, or one that asks for nothing, leaves the data as it is.
        keep_originals: keep the pictures as they were too, for an augmentation that begins with them.

    Raises:
        InputError: something is asked for, but the data are no pictures in memory.
        CardError: the means or deviations do not fit the data's colour.
    """
    if card is None or not (card.resize or card.crop or card.mean or card.std):
        return data
    store, known = data.inputs, image_inputs([data.card]).get(0)
    if known is None or not isinstance(store, PixelStore):
        raise InputError(
            f"{data.source} holds no pictures ({data.describe()}); Resize, CenterCrop and Normalize are for pictures in uint8 or in "
            f"files."
        )
    normalized = replace(known, mean=card.mean, std=card.std)
    if not (card.resize or card.crop):
        return replace(data, card=normalized, inputs=store.with_card(normalized))
    pixels = store.pixels if known.layout == "NHWC" else store.pixels.transpose(0, 2, 3, 1)
    resize = card.resize or known.size  # after deployment a picture of another size is first resized to this one
    size = card.crop or (resize if isinstance(resize, tuple) else _by_shorter_side(resize, known.size))
    asked = replace(normalized, resize=resize, filter=card.filter, crop=card.crop, size=size)
    result = np.empty((len(data), *asked.shape), np.uint8)

    def place(index: int) -> None:
        result[index] = decode(np.ascontiguousarray(pixels[index]), asked)

    with ThreadPoolExecutor(usable_processors()) as pool:
        for _ in pool.map(place, range(len(data)), chunksize=256):
            pass
    return replace(data, card=asked, inputs=PixelStore(result, asked, store.originals if keep_originals else None))


def _by_shorter_side(length: int, size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) with the shorter side `length`, rounded as `runtime.preprocess.decode` does."""
    return int(length * size[0] / min(size)), int(length * size[1] / min(size))
