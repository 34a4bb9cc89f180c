"""Random transforms that depend on a picture's size, in torchvision's own order: before a resize they see the picture as stored."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets
from torchvision.transforms import v2

from runtime.card import ImageInput
from toolkit import nn
from toolkit.data import Batches, Dataset, open_source
from toolkit.data.augmentation import Augmentation
from toolkit.data.augmentation.seeds import derived, example_seeds
from toolkit.data.augmentation.transforms import parse_transform
from toolkit.data.source import open_pictures

CHEQUERS = (np.indices((64, 96)).sum(0) % 2 * 255).astype(np.uint8)
CROP = {"RandomResizedCrop": {"size": 16, "scale": [0.0417, 0.0417], "ratio": [1, 1]}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chequers of single pixels, of two sizes, which any reduction turns into an even grey."""
    place = tmp_path_factory.mktemp("chequers")
    for name, turned in (("a", CHEQUERS), ("b", np.ascontiguousarray(CHEQUERS.T))):
        (place / name).mkdir()
        for number in range(4):
            Image.fromarray(turned).convert("RGB").save(place / name / f"{number}.png")
    return place


def archive(place: Path) -> Path:
    np.savez(place / "a.npz", data=np.stack([CHEQUERS] * 6), label=np.arange(6) % 2)
    return place / "a.npz"


def idx(place: Path) -> Path:
    pixels = np.stack([CHEQUERS] * 6)
    for prefix in ("train", "t10k"):
        head = struct.pack(">HBB3I", 0, 8, 3, *pixels.shape)
        (place / f"{prefix}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        (place / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 6) + bytes([0, 1] * 3))
    return place


def loaded(path: Path, transform: Any) -> tuple[Dataset, Any]:
    """As `toolkit train` loads it."""
    card, augment, _ = parse_transform(transform, "RGB")
    assert augment is not None
    return augment.prepare(open_source(path, card=card, keep_originals=augment.from_originals).train), augment


def batch(path: Path, transform: Any, **options: Any) -> torch.Tensor:
    data, augment = loaded(path, transform)
    inputs: torch.Tensor = next(iter(Batches(data, augment=augment, seed=3, **options)))[0]
    return inputs


@pytest.mark.parametrize("source", [archive, idx], ids=["npz", "idx"])
def test_crops_of_arrays_come_from_the_arrays(source: Callable[[Path], Path], tmp_path: Path) -> None:
    inputs = batch(source(tmp_path), CROP)
    assert inputs.shape == (6, 1, 16, 16)
    assert inputs.std() > 0.45


def test_crops_of_files_come_from_the_files_through_every_door(folder: Path) -> None:
    expected = datasets.ImageFolder(
        str(folder),
        v2.Compose(
            [v2.RandomResizedCrop(16, (0.0417, 0.0417), (1, 1)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
        ),
    )
    wanted = torch.stack([expected[index][0] for index in range(8)]).std()
    train = nn("cls").load_img_data(folder, transform=CROP)
    for inputs in (next(iter(train))[0], batch(folder, CROP), batch(folder, [{"RandomHorizontalFlip": 0.5}, CROP])):
        assert inputs.shape == (8, 3, 16, 16)
        assert inputs.std() == pytest.approx(float(wanted), abs=0.03)
    evaluation = train.data.inputs.take(torch.arange(8))
    assert evaluation.shape == (8, 3, 16, 16)  # the whole picture
    assert evaluation.std() < 0.2


@pytest.mark.parametrize(
    ("steps", "resize"),
    [
        ([v2.RandomRotation((45, 45))], (16, 32)),
        ([v2.RandomAffine(0, translate=(0.4, 0.0))], (16, 32)),
        ([v2.RandomPerspective(0.6, p=1.0)], (16, 32)),
        ([v2.RandomApply([v2.RandomRotation(30)], p=0.5)], (16, 32)),
        ([v2.RandomResizedCrop(16, (0.02, 0.1), (1, 1)), v2.RandomRotation(20)], None),
        ([v2.RandomRotation(20), v2.RandomResizedCrop(16, (0.02, 0.1), (1, 1))], None),
        ([v2.JPEG((5, 50)), v2.RandomAdjustSharpness(4.0, p=1.0)], (16, 32)),
        ([v2.TrivialAugmentWide()], (16, 32)),
    ],
    ids=str,
)
def test_what_comes_before_a_resize_is_done_to_the_picture_as_it_is_stored(
    folder: Path, steps: list[Any], resize: tuple[int, int] | None
) -> None:
    """Against torchvision itself with the same draws, and Pillow's resize."""
    transform = [*steps, *([{"Resize": list(resize)}] if resize else [])]
    data, augment = loaded(folder, transform)
    assert augment.from_originals
    inputs = next(iter(Batches(data, augment=augment, seed=3)))[0]
    assert inputs.shape == (8, 3, *(resize or (16, 16)))
    assert isinstance(data.card, ImageInput)
    assert (data.card.resize, data.card.crop) == (data.card.size, None)
    seeds = derived(example_seeds(3, 0, np.arange(8)), 0) >> np.uint64(1)
    for index, path in enumerate(sorted(folder.rglob("*.png"))):
        picture = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)
        with torch.random.fork_rng():
            torch.manual_seed(int(seeds[index]))
            for step in steps:
                picture = step(picture)
        changed = Image.fromarray(picture.permute(1, 2, 0).numpy())
        whole = np.array(changed.resize(resize[::-1], Image.Resampling.BILINEAR) if resize else changed)
        np.testing.assert_allclose(inputs[index].permute(1, 2, 0).numpy() * 255, whole, atol=1e-3)


@pytest.mark.parametrize("step", [{"RandomErasing": {"p": 1.0, "value": "random"}}, {"SaltAndPepperNoise": 0.5}])
def test_noise_before_a_resize_is_made_smaller_with_the_picture(folder: Path, step: Any) -> None:
    first, later = (
        batch(folder, order).std(dim=(1, 2, 3))
        for order in ([step, {"Resize": [16, 16]}], [{"Resize": [16, 16]}, step])
    )
    assert (first < 0.6 * later).all()


def test_a_resize_between_random_steps_stays_where_it_is(folder: Path) -> None:
    transform = [{"Resize": [48, 48]}, {"RandomRotation": [20, 20]}, {"Resize": [16, 32]}]
    data, augment = loaded(folder, transform)
    assert [step.name for step in augment.steps] == ["Resize", "RandomRotation", "Resize"]
    assert json.loads(json.dumps(augment.to_setting())) == augment.to_setting()
    assert Augmentation.from_setting(augment.to_setting()) == augment
    assert next(iter(Batches(data, augment=augment)))[0].shape == (8, 3, 16, 32)


def test_the_shorter_side_at_one_length_leaves_the_longer_side_to_a_random_crop(folder: Path, tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(0, 240, 2, dtype=np.uint8), (40, 120))
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.fromarray(np.ascontiguousarray(ramp)).save(tmp_path / name / "0.png")
    transform = [{"Resize": 20}, {"RandomCrop": 16}]
    card, augment, _ = parse_transform(transform, "grayscale")
    assert augment is not None and augment.from_originals
    data = augment.prepare(open_pictures(tmp_path, card=card).train)
    seen = torch.cat([inputs for epoch in range(40) for inputs, _ in Batches(data, augment=augment).epoch(epoch)]) * 255
    assert seen.shape[1:] == (1, 16, 16)
    assert seen.min() < 20 and seen.max() > 215  # not the centre square alone
    centre = data.inputs.take(torch.tensor([0]))[0] * 255
    assert 95 < centre.mean() < 145


@pytest.mark.parametrize(
    "transform",
    [
        [{"RandomHorizontalFlip": 0.5}, {"ColorJitter": 0.3}, {"Resize": [16, 16]}],
        [{"Resize": [32, 32]}, CROP],
        [{"Resize": [16, 16]}, {"RandomRotation": 10}],
        [{"Resize": 20}, {"CenterCrop": 16}, {"RandomRotation": 10}],
        [{"Resize": 20}, {"RandomHorizontalFlip": 0.5}, {"CenterCrop": 16}],
    ],
)
def test_pictures_are_decoded_once_where_the_resize_may_come_first(transform: Any) -> None:
    augment = parse_transform(transform, "RGB")[1]
    assert augment is not None and not augment.from_originals
    assert all("Resize" not in step for step in augment.to_setting())


def test_a_centre_crop_before_random_steps_comes_before_them(tmp_path: Path) -> None:
    """The training looks at the same part of a picture, at the same scale, as the evaluation."""
    picture = np.zeros((40, 40), np.uint8)
    picture[10:30, 10:30] = 255
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.fromarray(picture).save(tmp_path / name / "0.png")
    for steps in (
        [{"RandomHorizontalFlip": 0.5}],
        [{"RandomRotation": 0}],
        [{"RandomCrop": {"size": 20, "padding": 0}}],
    ):
        transform = [{"Resize": [40, 40]}, {"CenterCrop": 20}, *steps]
        card, augment, _ = parse_transform(transform, "grayscale")
        assert augment is not None
        data = augment.prepare(open_pictures(tmp_path, card=card).train)
        for inputs, _ in Batches(data, augment=augment, seed=1):
            assert inputs.shape == (2, 1, 20, 20)
            assert inputs.min() == 1
    card, augment, _ = parse_transform([{"Resize": [40, 40]}, {"CenterCrop": 24}, {"RandomCrop": 20}], "grayscale")
    assert augment is not None
    data = augment.prepare(open_pictures(tmp_path, card=card).train)
    for epoch in range(20):
        for inputs, _ in Batches(data, augment=augment, seed=1).epoch(epoch):
            assert inputs.mean() > 0.6  # at most two of twenty rows and columns lie outside


def test_draws_are_the_same_with_workers_and_again(folder: Path) -> None:
    transform = [{"RandomRotation": 20}, CROP, {"RandomHorizontalFlip": 0.5}]
    data, augment = loaded(folder, transform)
    plain = Batches(data, augment=augment, seed=5, shuffle=True, batch_size=3)
    several = Batches(data, augment=augment, seed=5, shuffle=True, batch_size=3, workers=2)
    for epoch in (0, 1):
        first, second = ([inputs for inputs, _ in batches.epoch(epoch)] for batches in (plain, several))
        assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
        assert torch.equal(next(iter(plain.epoch(epoch, start=1)))[0], first[1])
    several.close()
    assert not torch.equal(next(iter(plain.epoch(0)))[0], next(iter(plain.epoch(1)))[0])
    again, _ = loaded(folder, transform)
    assert torch.equal(
        next(iter(Batches(again, augment=augment, seed=5).epoch(0)))[0],
        next(iter(Batches(data, augment=augment, seed=5).epoch(0)))[0],
    )


def test_a_training_resumes_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    def model(to: str) -> nn:
        made = nn("cls", save_fold=tmp_path / to)
        made.set_seed(0)
        made.load_img_data(folder, transform=[CROP, {"RandomHorizontalFlip": 0.5}], batch_size=3)
        made.add("linear", size=(768, 2))
        return made

    whole = model("whole")
    whole.train(epochs=3, verbose=False)
    model("half").train(epochs=2, verbose=False)
    rest = model("rest")
    rest.train(epochs=3, resume=tmp_path / "half" / "last.pth", verbose=False)
    for one, other in zip(whole.model.parameters(), rest.model.parameters(), strict=True):
        assert torch.equal(one, other)
