"""Augmentation: every transform by name, each picture by its own seed, and torchvision's pixels."""

from __future__ import annotations

import inspect
import json
import pickle
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from torchvision import transforms
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from runtime.errors import InputError
from toolkit.data.augmentation import Augmentation, Mix, read_steps
from toolkit.data.augmentation.kernels import KERNELS
from toolkit.data.augmentation.names import OWN, kind_of, known_names
from toolkit.data.augmentation.seeds import derived, example_seeds, uniform
from toolkit.data.readers.digits import digit_pictures


def drawn_pictures(count: int = 4, size: tuple[int, int] = (24, 32)) -> torch.Tensor:
    """uint8 (count, 3, H, W): coloured circles on a gradient."""
    pictures = []
    for number in range(count):
        image = Image.linear_gradient("L").resize(size[::-1]).convert("RGB")
        draw = ImageDraw.Draw(image)
        draw.ellipse((2 + number, 3, 14 + number, 17), fill=(200, 40 * number, 90), outline="white")
        draw.rectangle((18, 12, 28, 20), fill=(20, 180, 60 * number))
        pictures.append(np.asarray(image).transpose(2, 0, 1))
    return torch.from_numpy(np.stack(pictures))


COLOURED = drawn_pictures()
GREY = torch.from_numpy(digit_pictures()[0][:4, None].copy())
SEEDS = example_seeds(7, 0, np.arange(4))

# Arguments under which each random transform surely changes a picture.
ARGUMENTS: dict[str, Any] = {
    "AugMix": {"severity": 5},
    "AutoAugment": "svhn",
    "ColorJitter": {"brightness": [1.5, 1.6]},
    "ElasticTransform": {"alpha": 90.0, "sigma": 0.7},
    "GaussianBlur": {"kernel_size": 5, "sigma": [1.0, 2.0]},
    "GaussianNoise": {"sigma": 0.2},
    "JPEG": [5, 20],
    "RandAugment": {"magnitude": 12},
    "RandomAdjustSharpness": {"sharpness_factor": 4, "p": 1},
    "RandomAffine": {"degrees": [20, 40], "translate": [0.2, 0.2], "fill": 9},
    "RandomAutocontrast": 1.0,
    "RandomChannelPermutation": None,
    "RandomCrop": {"size": 8, "padding": 4, "padding_mode": "reflect"},
    "RandomEqualize": 1,
    "RandomErasing": {"p": 1, "value": "random"},
    "RandomGrayscale": 1.0,
    "RandomHorizontalFlip": 1.0,
    "RandomInvert": 1.0,
    "RandomPerspective": {"p": 1.0, "distortion_scale": 0.8},
    "RandomPhotometricDistort": {"p": 1.0},
    "RandomPosterize": [2, 1.0],
    "RandomResize": {"min_size": 10, "max_size": 12},
    "RandomResizedCrop": {"size": [10, 12], "scale": [0.1, 0.5]},
    "RandomRotation": {"degrees": [30, 60], "expand": True},
    "RandomShortestSize": {"min_size": [9, 12]},
    "RandomSolarize": {"threshold": 60, "p": 1.0},
    "RandomVerticalFlip": 1.0,
    "RandomZoomOut": {"p": 1.0, "side_range": [1.5, 2.0], "fill": 128},
    "SaltAndPepperNoise": [0.3],
    "ScaleJitter": {"target_size": [16, 16], "scale_range": [0.5, 0.6]},
    "TrivialAugmentWide": None,
}
ARGUMENTS["RandomPosterize"] = {"bits": 2, "p": 1.0}
ARGUMENTS["SaltAndPepperNoise"] = {"amount": 0.3, "ratio": 0.5}


def test_every_random_transform_of_torchvision_is_exercised_here() -> None:
    assert sorted(ARGUMENTS) == [name for name in known_names() if kind_of(name) == "random"]


def test_every_transform_of_torchvision_has_its_kind_or_a_reason() -> None:
    for name, value in vars(v2).items():
        if not inspect.isclass(value) or not issubclass(value, v2.Transform) or value is v2.Transform:
            continue
        if name in known_names():
            assert kind_of(name)
        else:
            with pytest.raises(InputError, match=f"The transform '{name}' cannot be used: .+"):
                kind_of(name)
    assert set(OWN) < set(known_names())


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_each_changes_a_picture_the_same_way_for_the_same_seed(name: str) -> None:
    pictures = COLOURED
    augment = Augmentation.from_setting({name: ARGUMENTS[name]})
    before = torch.get_rng_state(), random.getstate(), str(np.random.get_state()), pictures.clone()
    changed = augment(pictures, SEEDS)
    assert changed.shape == pictures.shape and changed.dtype == torch.uint8
    assert any((row != picture).any() for row, picture in zip(changed, pictures, strict=True))
    # alone or in another company, in another order, after a journey through JSON and through pickle: the same
    again = pickle.loads(pickle.dumps(Augmentation.from_setting(json.loads(json.dumps(augment.to_setting())))))
    assert again == augment
    assert torch.equal(again(pictures.flip(0), SEEDS[::-1].copy()), changed.flip(0))
    assert torch.equal(again(pictures[2:3], SEEDS[2:3]), changed[2:3])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), str(np.random.get_state())) == before[1:3]
    assert torch.equal(pictures, before[3])


@pytest.mark.parametrize("name", sorted(set(ARGUMENTS) - {"RandomChannelPermutation", "RandomGrayscale"}))
def test_each_works_on_grey_pictures(name: str) -> None:
    assert Augmentation.from_setting({name: ARGUMENTS[name]})(GREY, SEEDS).shape == GREY.shape


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_pictures_from_0_to_1_are_changed_as_those_to_255(name: str) -> None:
    augment = Augmentation.from_setting({name: ARGUMENTS[name]})
    changed = augment(COLOURED.float() / 255, SEEDS)
    assert changed.dtype == torch.float32
    assert torch.equal(changed, augment(COLOURED, SEEDS).float() / 255)


@pytest.mark.parametrize(
    ("kit", "name"),
    [(kit, name) for name in sorted(set(ARGUMENTS) - set(OWN)) for kit in (transforms, v2) if hasattr(kit, name)],
)
def test_torchvisions_objects_are_read_back_as_they_were_made(kit: Any, name: str) -> None:
    step = read_steps({name: ARGUMENTS[name]})[0]
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in step.arguments.items()}
    if name == "AutoAugment":
        values["policy"] = transforms.AutoAugmentPolicy(values["policy"])
    made = getattr(kit, name)(**values)
    setting = [step.to_json() for step in read_steps(made)]
    first, second = (Augmentation.from_setting(form)(COLOURED, SEEDS) for form in (made, setting))
    assert torch.equal(first, second)
    assert torch.equal(first, Augmentation.from_setting({name: ARGUMENTS[name]})(COLOURED, SEEDS))


@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    padding=st.integers(0, 4) | st.lists(st.integers(0, 4), min_size=4, max_size=4),
    crop=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    mode=st.sampled_from(["constant", "edge"]),
    fill=st.integers(0, 255),
)
def test_crops_are_torchvisions_pixels(size: Any, padding: Any, crop: Any, mode: str, fill: int) -> None:
    pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 2, *size), np.uint8))
    arguments = {"size": list(crop), "padding": padding, "pad_if_needed": True, "padding_mode": mode, "fill": fill}
    seeds = example_seeds(1, 2, np.arange(3))
    found = KERNELS["RandomCrop"](pictures, seeds, arguments)
    transform = v2.RandomCrop(crop, padding, True, fill, mode)
    for row, picture in enumerate(pictures):
        params = transform.make_params([picture])
        height, width = (
            length + before + after
            for length, before, after in zip(size, params["padding"][1::-1], params["padding"][3:1:-1], strict=True)
        )
        padded = functional.pad(picture, params["padding"], fill=fill, padding_mode=mode)
        top, left = (
            int(uniform(seeds, draw)[row] * (rest + 1)) for draw, rest in enumerate((height - crop[0], width - crop[1]))
        )
        assert torch.equal(found[row], functional.crop(padded, top, left, *crop))


def test_flips_have_their_share_and_torchvisions_pixels() -> None:
    pictures = COLOURED[:1].repeat(2000, 1, 1, 1)
    seeds = example_seeds(0, 0, np.arange(2000))
    for name, flip in (("RandomHorizontalFlip", functional.hflip), ("RandomVerticalFlip", functional.vflip)):
        for share in (0.0, 0.3, 1.0):
            changed = KERNELS[name](pictures, seeds, {"p": share})
            flipped = (changed == flip(pictures)).flatten(1).all(1)
            assert (flipped | (changed == pictures).flatten(1).all(1)).all()
            assert abs(float(flipped.float().mean()) - share) < 0.04


def test_crops_come_from_everywhere_equally_often() -> None:
    pictures = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4).repeat(9000, 1, 1, 1)
    corners = KERNELS["RandomCrop"](pictures, example_seeds(0, 0, np.arange(9000)), {"size": [2, 2]})[:, 0, 0, 0]
    counts = torch.bincount(corners.long(), minlength=16)
    assert set(counts.nonzero().flatten().tolist()) == {0, 1, 2, 4, 5, 6, 8, 9, 10}
    assert abs(counts[counts > 0] - 1000).max() < 150


def test_seeds_are_even_and_independent() -> None:
    seeds = example_seeds(3, 5, np.arange(100_000))
    assert len(set(seeds.tolist())) == 100_000
    assert seeds[17] == example_seeds(3, 5, np.array([17]))[0]
    others = [example_seeds(4, 5, np.arange(1000)), example_seeds(3, 6, np.arange(1000)), derived(seeds[:1000], 0)]
    assert not set(seeds[:1000].tolist()) & {value for other in others for value in other.tolist()}
    draws = np.stack([uniform(seeds, draw) for draw in range(3)])
    assert draws.min() >= 0 and draws.max() < 1
    np.testing.assert_allclose(np.histogram(draws[0], 10, (0, 1))[0], 10_000, rtol=0.05)
    assert np.abs(np.corrcoef(draws) - np.eye(3)).max() < 0.02
    assert len(set(example_seeds(0, 0, np.zeros(5, np.int64), np.arange(5)).tolist())) == 5


def test_salt_and_pepper_has_its_amount_and_ratio() -> None:
    pictures = torch.full((50, 3, 40, 40), 100, dtype=torch.uint8)
    changed = Augmentation.from_setting({"SaltAndPepperNoise": {"amount": 0.2, "ratio": 0.75}})(
        pictures, example_seeds(0, 0, np.arange(50))
    )
    assert torch.equal(changed[:, 0], changed[:, 1]) and set(changed.unique().tolist()) == {0, 100, 255}
    assert abs(float((changed == 255).float().mean()) - 0.15) < 0.01
    assert abs(float((changed == 0).float().mean()) - 0.05) < 0.01
    with pytest.raises(InputError, match=r"amount=1\.5 was given; a share from 0 to 1"):
        Augmentation.from_setting({"SaltAndPepperNoise": 1.5})


def test_what_is_not_touched_keeps_its_value() -> None:
    ramp = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    erased = Augmentation.from_setting({"RandomErasing": {"p": 1, "value": 1.0, "scale": [0.1, 0.2]}})(ramp, SEEDS[:1])
    kept = erased == ramp
    assert (erased[~kept] == 255).all()
    assert 0.75 < kept.float().mean() < 0.95


def test_containers_draw_for_each_picture() -> None:
    pictures = COLOURED[:1].repeat(300, 1, 1, 1)
    seeds = example_seeds(0, 0, np.arange(300))

    def inverted(setting: Any) -> float:
        return float(
            (Augmentation.from_setting(setting)(pictures, seeds) == 255 - pictures).flatten(1).all(1).float().mean()
        )

    invert = {"RandomInvert": 1.0}
    assert abs(inverted({"RandomApply": {"transforms": invert, "p": 0.3}}) - 0.3) < 0.08
    assert abs(inverted({"RandomChoice": {"transforms": [invert, "Identity"], "p": [3, 1]}}) - 0.75) < 0.08
    assert inverted({"RandomOrder": [invert, invert, invert]}) == 1
    assert inverted([invert, invert]) == 0  # a name may come again
    assert inverted({"Compose": [invert, {"Compose": [invert, invert]}]}) == 1


def test_sizes_that_differ_end_at_the_size_that_was_asked_for() -> None:
    augment = Augmentation.from_setting(
        [{"RandomResize": {"min_size": 8, "max_size": 40}}, {"RandomHorizontalFlip": 1.0}, {"RandomRotation": 10}]
    )
    assert augment(COLOURED, SEEDS, (20, 18)).shape == (4, 3, 20, 18)
    assert torch.equal(augment(COLOURED[1:2], SEEDS[1:2], (20, 18))[0], augment(COLOURED, SEEDS, (20, 18))[1])
    assert augment(COLOURED[:0], SEEDS[:0], (20, 18)).shape == (0, 3, 20, 18)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"MixUp": 1.0}, "MixUp is not part of an augmentation"),
        ({"Resize": 8}, "Resize is not part of an augmentation"),
        ([{"FiveCrop": 8}, {"TenCrop": 8}], "were both given"),
    ],
)
def test_a_setting_holds_nothing_else(setting: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Augmentation.from_setting(setting)


def test_pictures_for_several_crops_are_learnt_from_at_their_scale() -> None:
    inverted = Augmentation.from_setting([{"RandomInvert": 1.0}, {"FiveCrop": [16, 14]}])
    centre = v2.functional.center_crop(255 - COLOURED, [16, 14])
    assert torch.equal(inverted(COLOURED, SEEDS, (16, 14)), centre)


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_a_whole_number_mixes_as_the_same_decimal_one(name: str) -> None:
    inputs, targets = torch.rand(6, 3, 4, 4), torch.arange(6) % 3
    one, other = (Mix.from_setting({name: alpha})(inputs, targets, 3, 1, 0, 0) for alpha in (1, 1.0))
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])


def test_mixing_is_kept_as_json_and_is_one_step() -> None:
    mix = Mix.from_setting({"RandomChoice": {"transforms": [{"MixUp": 0.2}, {"CutMix": {"alpha": 1.0}}], "p": [1, 3]}})
    assert Mix.from_setting(json.loads(json.dumps(mix.to_setting()))) == mix
    assert Mix.from_setting(v2.RandomApply([v2.MixUp(alpha=0.3, num_classes=4)], p=0.5)).to_setting() == {
        "RandomApply": {"transforms": [{"MixUp": {"alpha": 0.3}}]}
    }
    for wrong in ({"RandomInvert": 1}, [{"MixUp": 1}, {"CutMix": 1}], None):
        with pytest.raises(InputError, match="does not say how to mix"):
            Mix.from_setting(wrong)
    inputs, targets = torch.rand(6, 3, 4, 4), torch.arange(6) % 3
    first, second = (mix(inputs, targets, 3, 1, 2, batch) for batch in (0, 1))
    assert torch.equal(first[0], mix(inputs, targets, 3, 1, 2, 0)[0])
    assert not torch.equal(first[0], second[0])
    assert mix(inputs[:0], targets[:0], 3, 0, 0, 0)[1].shape == (0, 3)
