"""Familiar transforms: what is deterministic becomes the card, what is random an augmentation, and nothing is dropped or reordered
where that would mean something else."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms
from torchvision.transforms import v2

from runtime.card import ImageInput
from runtime.errors import CardError, InputError
from runtime.preprocess import prepare_image
from toolkit.data.augmentation import Augmentation, Mix
from toolkit.data.augmentation.transforms import image_card, parse_transform

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))


def prepared(card: ImageInput, size: tuple[int, int]) -> np.ndarray:
    return prepare_image(PICTURE, ImageInput(**{**vars(card), "size": size}))


def augmentation(transform: Any) -> Augmentation:
    _, augment, _ = parse_transform(transform, "RGB")
    assert augment is not None
    return augment


def test_no_transform_scales_to_one_and_nothing_else() -> None:
    card = image_card(None, "grayscale")
    assert (card.color, card.resize, card.crop, card.mean, card.std, card.scale) == (
        "grayscale", None, None, (), (), 1 / 255,
    )  # fmt: skip
    assert parse_transform(None, "RGB")[1:] == (None, None)


def test_a_dictionary_names_the_steps() -> None:
    card = image_card(
        {"Resize": (8, 9), "CenterCrop": 6, "Normalize": ([0.5] * 3, [0.25] * 3), "ToTensor": None}, "RGB"
    )
    assert (card.resize, card.crop, card.mean, card.std) == ((8, 9), (6, 6), (0.5,) * 3, (0.25,) * 3)


@pytest.mark.parametrize(
    "transform",
    [
        {"Resize": [8, 9], "Normalize": {"mean": [0.5] * 3, "std": [0.25] * 3}},
        [{"Resize": {"size": [8, 9]}}, "ToTensor", {"Normalize": [[0.5] * 3, [0.25] * 3]}],
        [transforms.Resize((8, 9)), {"Normalize": [[0.5] * 3, [0.25] * 3]}],
        {
            "Compose": [
                {"Resize": [8, 9]},
                {"ToDtype": {"dtype": "float32", "scale": True}},
                v2.Normalize([0.5] * 3, [0.25] * 3),
            ]
        },
    ],
)
def test_every_form_says_the_same(transform: Any) -> None:
    assert image_card(transform, "RGB") == ImageInput(
        "input", "RGB", (1, 1), resize=(8, 9), mean=(0.5,) * 3, std=(0.25,) * 3
    )


@pytest.mark.parametrize("kit", [transforms, v2])
@pytest.mark.parametrize("size", [(12, 16), 10])
@pytest.mark.parametrize("mode", ["BILINEAR", "BICUBIC", "NEAREST", "LANCZOS", "NEAREST_EXACT"])
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


def test_grayscale_is_a_colour_of_the_card() -> None:
    assert image_card([transforms.Grayscale(), transforms.Resize((4, 4))], "RGB").color == "grayscale"
    assert image_card("RGB", "RGB").color == "RGB"


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        ({"Resise": (8, 8)}, "There is no transform 'Resise'. Did you mean 'Resize'?"),
        ({"RandomHorizontalFlip": 0.5}, "'RandomHorizontalFlip' is random"),
        (transforms.ColorJitter(0.5), "'ColorJitter' is random"),
        ({"MixUp": 0.2}, "'MixUp' is random"),
        ({"FiveCrop": 8}, "'FiveCrop' looks at a picture several times"),
        (transforms.Grayscale(3), "Grayscale gives 3 channels of one grey"),
        ({"Resize": "8"}, "Resize takes (height, width) or one whole number; '8' was given."),
        ({"Resize": (8, 0)}, "Resize takes (height, width) or one whole number"),
        ({"Resize": (8, 8, 3)}, "Resize takes (height, width) or one whole number"),
        ({"Resize": {"size": 8, "interpolation": "bilinaer"}}, "Did you mean 'bilinear'"),
        (
            {"CenterCrop": None},
            "CenterCrop: the argument size is missing; a whole number or a list of whole numbers is expected.",
        ),
        ({"Normalize": 0.5}, "Normalize takes (means, deviations), one number a channel; 0.5 was given."),
        ({"Normalize": (0.5, 0.5)}, "Normalize takes (means, deviations)"),
        ({"Normalize": {"mean": [0.5], "deviation": [1]}}, "Normalize: there is no argument 'deviation'."),
        ({"CenterCrop": 8, "Resize": 4}, "Resize follows CenterCrop"),
        (transforms.Resize(8, max_size=9), "Resize(max_size=...) cannot be part of the pre-processing"),
        ({"ToDtype": "float16"}, "pictures always become float32"),
        ({"Pad": 4}, "the card has no border"),
        ([transforms.Lambda(lambda x: x)], "a function of your own cannot be kept"),
        ({"RandomIoUCrop": {}}, "it works on bounding boxes"),
        (3, "a name, a mapping from names to arguments"),
        (torch.nn.Identity(), "a name, a mapping from names to arguments"),
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


def test_what_is_random_stays_out_of_the_card() -> None:
    plain = {"Resize": [16, 16], "Normalize": [[0.5] * 3, [0.2] * 3]}
    random = {
        "RandomHorizontalFlip": 0.5,
        "ColorJitter": 0.2,
        "RandomRotation": 10,
        "SaltAndPepperNoise": 0.1,
        "MixUp": 0.2,
    }
    card, augment, mix = parse_transform({**plain, **random}, "RGB")
    assert card == image_card(plain, "RGB")
    assert augment == Augmentation.from_setting([{name: random[name]} for name in list(random)[:-1]])
    assert mix == Mix.from_setting({"MixUp": 0.2})
    for name in random:
        assert name not in str(card)


steps = st.one_of(
    st.builds(lambda p: {"RandomHorizontalFlip": {"p": p}}, st.floats(0, 1)),
    st.builds(lambda p: {"RandomVerticalFlip": p}, st.floats(0, 1)),
    st.builds(lambda d: {"RandomRotation": d}, st.integers(0, 180)),
    st.builds(lambda b, c: {"ColorJitter": {"brightness": b, "contrast": c}}, st.floats(0, 1), st.floats(0, 1)),
    st.builds(lambda a, r: {"SaltAndPepperNoise": {"amount": a, "ratio": r}}, st.floats(0, 1), st.floats(0, 1)),
    st.builds(
        lambda v: {"RandomErasing": {"value": v}}, st.floats(0, 1) | st.lists(st.floats(0, 1), min_size=3, max_size=3)
    ),
    st.sampled_from(["RandomInvert", {"RandomInvert": None}, {"RandomAutocontrast": {}}, {"AutoAugment": "cifar10"}]),
    st.builds(lambda s, p: {"RandomCrop": {"size": s, "padding": p}}, st.integers(1, 64), st.integers(0, 8)),
    st.builds(lambda s: {"RandomResizedCrop": [s, s]}, st.integers(1, 64)),
)
nested = st.recursive(
    steps,
    lambda inner: st.one_of(
        st.builds(lambda t, p: {"RandomApply": {"transforms": t, "p": p}}, st.lists(inner, min_size=1, max_size=3), st.floats(0, 1)),
        st.builds(lambda t: {"RandomChoice": t}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda t: {"RandomOrder": t}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=5,
)  # fmt: skip


@given(st.lists(nested, min_size=1, max_size=5))
def test_any_augmentation_survives_json_and_leaves_the_card_alone(transform: list[Any]) -> None:
    card, augment, mix = parse_transform([{"Resize": [64, 64]}, *transform], "RGB")
    assert card == ImageInput("input", "RGB", (1, 1), resize=(64, 64))
    assert augment is not None and mix is None
    setting = json.loads(json.dumps(augment.to_setting()))
    assert Augmentation.from_setting(setting) == augment
    assert Augmentation.from_setting(setting).crop == augment.crop
    assert parse_transform(setting, "RGB")[1] == augment
    assert len(augment.steps) == len(transform)


@given(
    st.dictionaries(st.text(max_size=12), st.none() | st.booleans() | st.integers() | st.text(max_size=5), max_size=3)
)
def test_nonsense_is_a_clear_error_or_nothing(transform: dict[str, Any]) -> None:
    try:
        assert parse_transform(transform, "RGB")[1:] == (None, None)
    except InputError as error:
        assert str(error).endswith((".", "?"))


@pytest.mark.parametrize(
    "wrong",
    [True, -1, 1.5, "half", [0.5], {"q": 0.5}, {"p": None}, float("nan"), [[]], {"p": {"p": 1}}],
)
def test_values_that_do_not_fit_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match="RandomHorizontalFlip"):
        parse_transform({"RandomHorizontalFlip": wrong}, "RGB")


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        ([{"RandomCrop": 8}, {"Resize": 16}], "Resize follows RandomCrop"),
        ([{"RandomApply": [{"GaussianBlur": 3}]}, {"Resize": 16}], "Resize follows RandomApply"),
        ([{"Resize": 16}, {"RandomCrop": 20}], "the crop after it takes 20 x 20"),
        ([{"ColorJitter": 0.1}, "Grayscale"], "Put Grayscale first"),
        ([{"FiveCrop": 8}, {"RandomCrop": 4}], "Put FiveCrop last"),
        ([{"MixUp": 1.0}, {"CutMix": 1.0}], "Put them in a RandomChoice"),
        ({"RandomChoice": [{"MixUp": 1.0}, "RandomInvert"]}, "Put them apart"),
        ({"Normalize": [[0.5] * 3] * 2, "RandomErasing": {"value": 9.0}}, "a value from 0 (black) to 1 (white)"),
        ([{"Normalize": [[0.5] * 3] * 2}, {"Normalize": [[0.5] * 3] * 2}], "given twice"),
        ({"RandomChoice": []}, "has no transforms inside"),
        ({"RandomChoice": {"transforms": ["RandomInvert"], "p": [0.5, 0.5]}}, "1 transforms, but 2 probabilities"),
        ({"RandomRotation": {"degrees": 5, "interpolation": "lanczos"}}, "interpolation='lanczos'"),
        ({"AutoAugment": "imagnet"}, "'imagenet' or 'cifar10' or 'svhn'"),
        ({"GaussianBlur": 4}, "GaussianBlur cannot be made with kernel_size=4"),
        ({"RandomErasing": {"scale": [0.5, 0.1]}}, "Scale and ratio should be of kind (min, max)"),
        ({"RandomHorizontalFlip": 0.5, "RandomHorizontalFlp": 0.5}, "Did you mean 'RandomHorizontalFlip'"),
        ({"RGB": 3}, "RGB takes no arguments"),
        ({"RandomResizedCrop": {"size": 8, "antialias": None}}, "antialias=None was given; true or false is expected"),
    ],
)  # fmt: skip
def test_orders_and_arguments_that_do_not_fit_are_refused(transform: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_transform(transform, "RGB")
    assert words in str(caught.value)


def test_a_random_crop_leaves_the_whole_picture_to_be_loaded() -> None:
    card, augment, _ = parse_transform({"Resize": [20, 20], "RandomCrop": 16}, "RGB")
    assert augment is not None
    assert (card.resize, card.crop, augment.crop) == ((20, 20), None, (16, 16))
    # the pictures' longer side differs, so that a square is kept: its margin is a multiple of four
    card, _, _ = parse_transform({"Resize": 30, "RandomCrop": 16}, "RGB")
    assert (card.resize, card.crop) == (30, (28, 28))
    card, _, _ = parse_transform({"RandomResizedCrop": 24}, "RGB")
    assert (card.resize, card.crop) == ((24, 24), None)


def test_resize_after_a_resized_crop_decides_the_size() -> None:
    card, augment, _ = parse_transform([{"RandomResizedCrop": [224, 112]}, {"Resize": 64}], "RGB")
    assert augment is not None
    assert augment.crop == card.resize == (128, 64)
    assert parse_transform([{"RandomResizedCrop": 224}, {"Resize": [32, 48]}], "RGB")[0].resize == (32, 48)


def test_erasing_after_normalisation_fills_with_what_becomes_that_value() -> None:
    augment = augmentation({"Normalize": [[0.1, 0.2, 0.3], [0.5, 0.5, 0.5]], "RandomErasing": {"value": 1.0}})
    assert augment.steps[0].arguments["value"] == pytest.approx([0.6, 0.7, 0.8])


@pytest.mark.parametrize("kit", [transforms, v2])
def test_torchvisions_random_transforms_become_their_json(kit: Any) -> None:
    found = augmentation(
        kit.Compose(
            [
                kit.Resize((32, 32)),
                kit.RandomApply([kit.ColorJitter(0.2, hue=0.1)], p=0.3),
                kit.RandomChoice(
                    [kit.RandomRotation(15, fill=7), kit.RandomAffine(5, scale=(0.9, 1.1))], p=[0.25, 0.75]
                ),
                kit.RandomCrop((28, 24), padding=(1, 2, 3, 4), padding_mode="reflect"),
                kit.RandomErasing(0.4, value="random"),
                transforms.ToTensor(),
            ]
        )
    )
    jitter = {"brightness": [0.8, 1.2], "hue": [-0.1, 0.1]}
    assert found.to_setting() == [
        {"RandomApply": {"transforms": [{"ColorJitter": jitter}], "p": 0.3}},
        {
            "RandomChoice": {
                "transforms": [
                    {"RandomRotation": {"degrees": [-15.0, 15.0], "fill": 7}},
                    {"RandomAffine": {"degrees": [-5.0, 5.0], "scale": [0.9, 1.1]}},
                ],
                "p": [0.25, 0.75],
            }
        },
        {"RandomCrop": {"size": [28, 24], "padding": [1, 2, 3, 4], "padding_mode": "reflect"}},
        {"RandomErasing": {"p": 0.4, "value": "random"}},
    ]
