"""A folder of pictures, one sub-folder per class -> a data set."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import ExifTags

from runtime.card import ImageInput
from runtime.errors import InputError
from runtime.preprocess import decode, open_image
from runtime.preprocess.picture_file import open_picture
from runtime.preprocess.sources import holds_image, images_in
from runtime.preprocess.unread import unread, warn_unread
from runtime.processors import usable_processors
from toolkit.data.class_names import class_names
from toolkit.data.dataset import Dataset
from toolkit.data.originals import FileOriginals
from toolkit.data.stores import FileStore, PixelStore, Store
from toolkit.tasks.class_indices import named_classes
from toolkit.tasks.registry import DEFAULT_TASK

__all__ = ["class_folders", "load_images"]

# Decoded pictures above this size are read from their files batch by batch instead of being kept in memory.
PIXEL_BYTES = 4 * 1024**3


def class_folders(root: str | os.PathLike[str]) -> list[Path]:
    """The sub-folders that hold pictures, in the order of their names."""
    folder = Path(root)
    if not folder.is_dir():
        return []
    children = (child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    return sorted(child for child in children if holds_image(child))


def load_images(
    root: str | os.PathLike[str],
    *,
    color: Literal["RGB", "grayscale"] = "RGB",
    size: tuple[int, int] | None = None,
    card: ImageInput | None = None,
    labels: Sequence[str] | None = None,
    workers: int | None = None,
) -> Dataset:
    """Pictures in one sub-folder per class -> a data set; classes in the order of the folders' names.

    Args:
        root: the folder.
        color: "RGB" or "grayscale"; the channels come in this order.
        size: (height, width) to stretch every picture to; None keeps the size that all pictures share.
        card: the whole pre-processing instead of `color` and `size`; its `size` may be (1, 1) to be found.
        labels: the folders' names in the order of the classes, or new names in the order of the folders; None takes the folders'
            names in their order.
        workers: threads that decode; None takes one per core.

    Warns with `UnreadWarning` of what lies in the folder and is not read.

    Raises:
        InputError: there are no class folders, a picture is unreadable, or sizes differ and none is asked for.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers={workers} was given; a whole number of at least 1 is expected.")
    if not Path(root).is_dir():
        raise InputError(
            f"{root} does not exist or is not a folder. Check the path; it is looked up from {Path.cwd()}."
        )
    folders = class_folders(root)
    if not folders:
        raise InputError(
            f"{root} holds no pictures in class folders; one sub-folder a class is expected, such as {Path(root, 'cat', '1.png')}."
            + (f" {told}" if (told := unread(root, ())) else "")
        )
    paths = [(path, index) for index, folder in enumerate(folders) for path in images_in(folder)]
    files = [path for path, _ in paths]
    warn_unread(root, files)
    targets, names = np.array([index for _, index in paths], np.int64), tuple(folder.name for folder in folders)
    if labels is not None:
        targets, names = named_classes(targets, names, class_names(labels) or (), str(root), "class folders")
    full = _full_card(card or ImageInput("input", color, size or (1, 1), resize=size), files)
    return Dataset(DEFAULT_TASK, full, _store(files, full, workers), targets, names, str(root))


def _full_card(card: ImageInput, files: list[Path]) -> ImageInput:
    """The card with its output size filled in, measured on the files where the card leaves it open."""
    if card.crop is not None:
        return replace(card, size=card.crop)
    if isinstance(card.resize, tuple):
        return replace(card, size=card.resize)
    if isinstance(card.resize, int):
        raise InputError(
            "A resize by the shorter side leaves pictures of different lengths; give a crop (height, width) too, or resize to both, "
            f"{{'Resize': [{card.resize}, {card.resize}]}}."
        )
    sizes = Counter[tuple[int, int]]()
    example: dict[tuple[int, int], Path] = {}
    for path in files:
        size = _picture_size(path, card.orientation)
        sizes[size] += 1
        example.setdefault(size, path)
    if len(sizes) > 1:
        (common, count), (other, _) = sizes.most_common(2)
        raise InputError(
            f"The pictures have {len(sizes)} different sizes: {count} are {common[0]} x {common[1]}, but {example[other]} is "
            f"{other[0]} x {other[1]} pixels. Give one size to bring them to, such as size=({common[0]}, {common[1]}), in a "
            f"transform {{'Resize': [{common[0]}, {common[1]}]}}."
        )
    shape = next(iter(sizes))
    # after deployment a picture of another size is resized to the training's size
    return replace(card, size=shape, resize=shape)


def _picture_size(path: Path, orientation: str) -> tuple[int, int]:
    """(height, width) as seen upright, from the file's header alone."""
    try:
        with open_picture(path) as image:
            turned = orientation == "exif" and image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
            return (image.width, image.height) if turned else (image.height, image.width)
    except Exception:
        whole = open_image(path)  # raises with the reason
        return whole.height, whole.width


def _store(files: list[Path], card: ImageInput, workers: int | None) -> Store:
    whole = _before_crop(card)
    if len(files) * int(np.prod(whole.shape)) > PIXEL_BYTES:
        return FileStore(files, card, workers, whole)
    pixels = np.empty((len(files), *whole.shape), np.uint8)

    def place(index: int) -> None:
        pixels[index] = decode(files[index], whole)

    with ThreadPoolExecutor(workers or usable_processors()) as pool:
        for _ in pool.map(place, range(len(files)), chunksize=64):
            pass
    return PixelStore(pixels, card, FileOriginals(files, card, workers))


def _before_crop(card: ImageInput) -> ImageInput:
    """The card without its crop where all pictures then have one size: a random crop in training needs the margin."""
    if card.crop is None or not isinstance(card.resize, tuple):
        return card
    return replace(card, size=card.resize, crop=None)
