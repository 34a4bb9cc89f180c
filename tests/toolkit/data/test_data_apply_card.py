"""Pictures from arrays obey the same transforms as pictures from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from runtime.card import ImageInput
from runtime.errors import CardError, InputError
from runtime.preprocess import prepare_image
from toolkit.data.apply_card import apply_card
from toolkit.data.augmentation.transforms import parse_transform
from toolkit.data.readers.arrays import load_arrays
from toolkit.data.source import open_source

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 10, 14, 3), np.uint8)
DATA = load_arrays(PIXELS, np.arange(5))


@pytest.mark.parametrize(
    "transform",
    [
        {"Normalize": [[0.4, 0.5, 0.6], [0.2, 0.3, 0.4]]},
        {"Resize": [7, 6]},
        {"Resize": 8},
        {"Resize": 12, "CenterCrop": [9, 11], "Normalize": [[0.4, 0.5, 0.6], [0.2, 0.3, 0.4]]},
        {"CenterCrop": 6},
    ],
)
def test_each_picture_is_prepared_as_its_card_says(transform: Any) -> None:
    data = apply_card(DATA, parse_transform(transform, "RGB")[0])
    assert isinstance(data.card, ImageInput)
    found = data.inputs.take(torch.arange(5))
    assert tuple(found.shape[1:]) == data.shape
    for row, picture in zip(found, PIXELS, strict=True):
        np.testing.assert_array_equal(row.numpy(), prepare_image(picture, data.card))


def test_nothing_asked_changes_nothing() -> None:
    assert apply_card(DATA, None) is DATA
    assert apply_card(DATA, parse_transform(None, "grayscale")[0]) is DATA


def test_what_does_not_fit_is_refused() -> None:
    card = parse_transform({"Resize": [7, 6]}, "RGB")[0]
    with pytest.raises(InputError, match="Resize, CenterCrop and Normalize are for pictures"):
        apply_card(load_arrays(np.zeros((3, 2)), [0, 1, 2]), card)
    with pytest.raises(CardError, match="mean has 3 values; 1 are expected"):
        apply_card(load_arrays(PIXELS[..., 0], np.arange(5)), parse_transform({"Normalize": [[0.5] * 3] * 2}, "RGB")[0])


def test_a_file_of_arrays_obeys_the_transforms_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "pictures.npz", data=PIXELS, label=np.arange(5))
    source = open_source(tmp_path / "pictures.npz", card=parse_transform({"Resize": [7, 6]}, "RGB")[0])
    assert source.train.shape == (3, 7, 6)
