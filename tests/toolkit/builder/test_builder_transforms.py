"""Familiar transforms become the card's pre-processing, or are refused: none is dropped or done in another order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import v2

from runtime.card import ImageInput
from runtime.errors import CardError, InputError
from runtime.preprocess import prepare_image
from toolkit.builder.transforms import image_card

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))


def prepared(card: ImageInput, size: tuple[int, int]) -> np.ndarray:
    return prepare_image(PICTURE, ImageInput(**{**vars(card), "size": size}))


def test_no_transform_scales_to_one_and_nothing_else() -> None:
    card = image_card(None, "grayscale")
    assert (card.color, card.resize, card.crop, card.mean, card.std, card.scale) == (
        "grayscale", None, None, (), (), 1 / 255,
    )  # fmt: skip


def test_a_dictionary_names_the_steps() -> None:
    card = image_card(
        {"Resize": (8, 9), "CenterCrop": 6, "Normalize": ([0.5] * 3, [0.25] * 3), "ToTensor": None}, "RGB"
    )
    assert (card.resize, card.crop, card.mean, card.std) == ((8, 9), (6, 6), (0.5,) * 3, (0.25,) * 3)


@pytest.mark.parametrize("kit", [transforms, v2])
@pytest.mark.parametrize("size", [(12, 16), 10])
@pytest.mark.parametrize("mode", ["BILINEAR", "BICUBIC", "NEAREST", "LANCZOS"])
def test_torchvisions_transforms_give_torchvisions_numbers(kit: Any, size: Any, mode: str) -> None:
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
    steps = [
        kit.Resize(size, interpolation=transforms.InterpolationMode[mode]),
        kit.CenterCrop(8),
        transforms.ToTensor(),
        kit.Normalize(mean, std),
    ]
    expected = transforms.Compose(steps)(PICTURE)
    card = image_card(kit.Compose(steps), "RGB")
    torch.testing.assert_close(torch.from_numpy(prepared(card, (8, 8))), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        ({"Resise": (8, 8)}, "There is no transform 'Resise'. Did you mean 'Resize'?"),
        ({"RandomHorizontalFlip": 0.5}, "'RandomHorizontalFlip' is random"),
        (transforms.ColorJitter(0.5), "'ColorJitter' is random"),
        (transforms.Grayscale(), "There is no transform 'Grayscale'"),
        ({"Resize": "8"}, "Resize takes (height, width) or one whole number; '8' was given."),
        ({"Resize": (8, 0)}, "Resize takes (height, width) or one whole number"),
        ({"Resize": (8, 8, 3)}, "Resize takes (height, width) or one whole number"),
        ({"CenterCrop": None}, "CenterCrop takes (height, width) or one whole number"),
        ({"Normalize": 0.5}, "Normalize takes (means, deviations), one number a channel; 0.5 was given."),
        ({"Normalize": (0.5, 0.5)}, "Normalize takes (means, deviations)"),
        ({"CenterCrop": 8, "Resize": 4}, "Resize follows CenterCrop"),
        (transforms.Resize(8, max_size=9), "Resize(max_size=...) cannot be part of the pre-processing"),
    ],
)
def test_what_cannot_be_kept_is_refused(transform: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        image_card(transform, "RGB")
    assert words in str(caught.value)


@pytest.mark.parametrize("values", [([0.5], [0.5]), ([0.5] * 3, [0.5, 0.5, 0.0])])
def test_means_and_deviations_must_fit_the_colour(values: Any) -> None:
    with pytest.raises(CardError, match=r"(mean|std)"):
        image_card({"Normalize": values}, "RGB")
