"""The small real data set that ships with the package: 1,797 handwritten digits of 8 x 8 pixels.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
https://doi.org/10.24432/C50P49, licence CC BY 4.0. This is its test part, by 13 writers; the original values 0..16 are kept.
"""

from __future__ import annotations

from importlib import resources

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import pixels_dataset
from toolkit.tasks.registry import DEFAULT_TASK

__all__ = ["digit_pictures", "load_digits"]


def digit_pictures() -> tuple[np.ndarray, np.ndarray]:
    """uint8 (1797, 8, 8) grey pictures, 255 is full ink, and int64 (1797,) labels 0..9."""
    with resources.files("toolkit.data.readers").joinpath("digits.npz").open("rb") as file, np.load(file) as archive:
        values, labels = archive["data"], archive["label"]
    return np.round(values.astype(np.float32) * (255 / 16)).astype(np.uint8), labels.astype(np.int64)


def load_digits() -> Dataset:
    """The digits as a data set: grayscale 8 x 8, ten classes."""
    pictures, labels = digit_pictures()
    names = tuple(map(str, range(10)))
    return pixels_dataset(pictures[:, None], labels, names, DEFAULT_TASK, "UCI handwritten digits")
