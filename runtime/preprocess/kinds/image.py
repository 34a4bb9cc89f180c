"""Pictures as an input: files, folders, Pillow images, encoded bytes, uint8 arrays, or prepared float arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from runtime.card.image_input import ImageInput
from runtime.errors import InputError
from runtime.preprocess.kinds.prepared_rows import prepared_rows
from runtime.preprocess.kinds.preprocessor import Preprocessor, holds_arrays
from runtime.preprocess.pictures import normalize, prepare_image, raw_pixels
from runtime.preprocess.sources import find_images

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["PREPROCESSOR", "ImagePreprocessor"]


class ImagePreprocessor(Preprocessor[ImageInput]):
    """Pictures: items are paths, Pillow images, bytes and uint8 arrays."""

    items: ClassVar[Literal["apart", "together"] | None] = "apart"

    def parse(self, data: Any, card: ImageInput) -> tuple[Any, bool]:
        """As `Preprocessor.parse`."""
        if isinstance(data, np.ndarray):
            if card.prepared_in_graph and data.dtype != np.uint8:
                raise InputError(
                    f"The array has the dtype {data.dtype}; the model prepares its pictures by itself and takes uint8 only. Give files, "
                    f"Pillow images, or arrays of the pixels as they are stored."
                )
            return _picture_items(data, card) if data.dtype == np.uint8 else _prepared_items(data, card)
        if holds_arrays(data):
            return self.parse_arrays(data, card), False
        if isinstance(data, str | os.PathLike):
            return find_images([data]), not Path(data).is_dir()
        if isinstance(data, list | tuple):
            return _listed_items(data), False
        return [data], True

    def parse_batch(self, values: Array, card: ImageInput) -> tuple[Any, bool]:
        """As `Preprocessor.parse_batch`: three axes of uint8 are grey pictures, not one of several channels."""
        return (list(values), False) if values.dtype == np.uint8 and values.ndim > 2 else self.parse(values, card)

    def prepare(self, items: Sequence[Any], card: ImageInput) -> Array:
        """As `Preprocessor.prepare`."""
        return np.stack([prepare_image(item, card) for item in items])

    def feed(self, items: Sequence[Any], card: ImageInput) -> Array:
        """As `Preprocessor.feed`; pictures that the file prepares by itself must have one size."""
        return np.stack([self.feed_one(item, card) for item in items])

    def feed_one(self, item: Any, card: ImageInput) -> Array:
        """As `Preprocessor.feed_one`."""
        return raw_pixels(item, card) if card.prepared_in_graph else prepare_image(item, card)

    def find(self, paths: Sequence[str | os.PathLike[str]], card: ImageInput, model: str) -> Any:
        """As `Preprocessor.find`."""
        if not any(map(holds_arrays, paths)):
            return find_images(paths)
        found: list[Any] = [
            self.parse_arrays(path, card) if holds_arrays(path) else find_images([path]) for path in paths
        ]
        if all(isinstance(items, np.ndarray) for items in found):
            return np.concatenate(found)
        if any(isinstance(items, np.ndarray) for items in found):
            raise InputError(
                "Arrays that are prepared already and pictures were given together. Give one kind of them."
            )
        return [item for items in found for item in items]


PREPROCESSOR = ImagePreprocessor()


def _listed_items(data: Sequence[Any]) -> list[Any]:
    items: list[Any] = []
    for entry in data:
        items += find_images([entry]) if isinstance(entry, str | os.PathLike) and Path(entry).is_dir() else [entry]
    return items


def _picture_items(data: npt.NDArray[np.uint8], card: ImageInput) -> tuple[Any, bool]:
    """Split a uint8 array into pictures: one picture or a batch."""
    if data.ndim not in (2, 3, 4):
        raise InputError(
            f"The array has the shape {data.shape}; a picture (H, W), (H, W, C) or (C, H, W), or a batch of these, is expected."
        )
    channels_last = data.ndim == 3 and data.shape[-1] in (1, 3, 4)
    channels_first = data.ndim == 3 and data.shape[0] in (1, card.channels)
    single = data.ndim == 2 or channels_last or channels_first
    pictures = [data] if single else list(data)
    if data.ndim == 4 and data.shape[1:] == card.shape and _keeps_size(card) and not card.prepared_in_graph:
        return normalize(
            np.ascontiguousarray(data), card
        ), False  # already of the right size: no need to go through Pillow
    return pictures, single


def _keeps_size(card: ImageInput) -> bool:
    """Test that the card's resize and crop leave a picture of the card's own size unchanged."""
    resize = card.resize if not isinstance(card.resize, int) or card.resize != min(card.size) else None
    return resize in (None, card.size) and card.crop in (None, card.size)


def _prepared_items(data: Array, card: ImageInput) -> tuple[Array, bool]:
    if data.dtype.kind != "f":
        raise InputError(
            f"The array has the dtype {data.dtype}. Pictures are uint8 arrays (cast with .astype('uint8')); arrays that are "
            f"already scaled and normalised are float32."
        )
    return prepared_rows(data, card, " Pictures are uint8 arrays, files or Pillow images.")
