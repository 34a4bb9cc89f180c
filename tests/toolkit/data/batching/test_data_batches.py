"""Batches: whole, in order, shuffled by seed and epoch, and equal to each input's own preparation."""

from __future__ import annotations

import multiprocessing
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from runtime.card import ImageInput
from runtime.errors import InputError
from runtime.preprocess import prepare_image
from toolkit.data.augmentation import Augmentation, Crops, Mix
from toolkit.data.augmentation.transforms import parse_transform
from toolkit.data.batching.batches import Batches
from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import load_arrays, pixels_dataset
from toolkit.data.readers.digits import load_digits
from toolkit.data.readers.images import load_images
from toolkit.data.stores import FileStore

DATA = load_arrays(np.arange(20.0).reshape(10, 2), np.arange(10))
EVERYTHING = Augmentation.from_setting(
    [{"RandomRotation": 20}, {"RandomHorizontalFlip": 0.5}, {"RandomCrop": {"size": 8, "padding": 1}}, {"SaltAndPepperNoise": 0.1}]
)  # fmt: skip


def order(batches: Batches) -> list[int]:
    return [int(target) for _, targets in batches for target in targets]


def same(first: list[Any], second: list[Any]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a, b) for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True)
    )


@pytest.fixture(scope="module")
def pictures() -> Dataset:
    """200 digits whose target is their own position, so that a batch tells its order."""
    data = load_digits()
    return replace(data, inputs=type(data.inputs)(data.inputs.raw()[:200], data.card), targets=np.arange(200))  # type: ignore[call-arg, arg-type, index]


def test_an_epoch_has_every_example_once_and_the_last_batch_may_be_smaller() -> None:
    batches = Batches(DATA, batch_size=4)
    found = list(batches)
    assert [len(targets) for _, targets in found] == [4, 4, 2]
    assert len(batches) == 3
    assert batches.examples == 10
    assert order(batches) == list(range(10))
    assert all(inputs.dtype == torch.float32 and targets.dtype == torch.int64 for inputs, targets in found)
    assert torch.equal(torch.cat([inputs for inputs, _ in found]), torch.arange(20.0).reshape(10, 2))


def test_only_the_chosen_positions_are_served() -> None:
    batches = Batches(DATA, np.array([7, 2, 5]), batch_size=2)
    assert order(batches) == [7, 2, 5]
    assert batches.targets().tolist() == [7, 2, 5]
    assert len(batches) == 2


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    first = Batches(DATA, batch_size=3, shuffle=True, seed=5)
    epochs = [order(first) for _ in range(4)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    torch.manual_seed(99)
    np.random.seed(99)
    resumed = Batches(DATA, batch_size=5, shuffle=True, seed=5)
    # as a resumed training asks for them
    assert [order(resumed.epoch(2)), order(resumed.epoch(3)), order(resumed.epoch(2))] == [*epochs[2:], epochs[2]]
    assert order(resumed) == epochs[0]
    assert order(Batches(DATA, shuffle=True, seed=6)) != epochs[0]


def test_input_and_target_stay_together_when_shuffled() -> None:
    for inputs, targets in Batches(DATA, batch_size=3, shuffle=True):
        assert torch.equal(inputs[:, 0], 2.0 * targets)


def test_a_batch_equals_the_runtimes_preparation_of_each_picture(digit_folder: Path) -> None:
    data = load_images(digit_folder, color="grayscale", size=(5, 6))
    paths = [
        path for name in data.labels for path in sorted((digit_folder / name).iterdir(), key=lambda p: int(p.stem))
    ]
    for batch, (inputs, _) in enumerate(Batches(data, batch_size=7)):
        for row, prepared in enumerate(inputs):
            expected = prepare_image(paths[batch * 7 + row], data.card)  # type: ignore[arg-type]
            np.testing.assert_array_equal(prepared.numpy(), expected)


def test_targets_of_a_regression_are_rows_of_floats() -> None:
    data = load_arrays(np.zeros((4, 2)), [[1, 2], [3, 4], [5, 6], [7, 8]], task="regression")
    _, targets = next(iter(Batches(data, batch_size=3)))
    assert targets.dtype == torch.float32
    assert targets.tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("augment", [None, EVERYTHING])
def test_workers_change_nothing(pictures: Dataset, augment: Augmentation | None, workers: int) -> None:
    mix = Mix.from_setting({"RandomChoice": [{"MixUp": 0.4}, {"CutMix": 1.0}]})
    data = replace(pictures, targets=pictures.targets % 10)
    options: dict[str, Any] = {"batch_size": 32, "shuffle": True, "seed": 3, "augment": augment, "mix": mix}
    here, there = Batches(data, **options), Batches(data, **options, workers=workers)
    for _ in range(2):
        assert same(list(here), list(there))
    there.close()
    assert same(list(here), list(there))  # an epoch after the end of the workers starts new ones


def test_augmented_epochs_differ_and_each_follows_from_its_number(pictures: Dataset) -> None:
    batches = Batches(pictures, batch_size=64, augment=EVERYTHING, seed=1)
    first, second = list(batches), list(batches)
    assert not same(first, second)
    assert all(torch.equal(a[1], b[1]) for a, b in zip(first, second, strict=True))
    again = Batches(pictures, batch_size=7, augment=EVERYTHING, seed=1)
    assert torch.equal(torch.cat([x for x, _ in again.epoch(1)]), torch.cat([x for x, _ in second]))
    plain = torch.cat([x for x, _ in Batches(pictures)])
    changed = torch.cat([x for x, _ in first])
    assert changed.shape == plain.shape
    assert changed.min() >= 0 and changed.max() <= 1
    assert (changed != plain).flatten(1).any(1).float().mean() > 0.9


@pytest.mark.parametrize(
    "options", [{}, {"shuffle": True}, {"sampling": "balanced"}, {"shuffle": True, "augment": EVERYTHING}]
)
@pytest.mark.parametrize("workers", [0, 1])
def test_an_epoch_continued_in_the_middle_is_the_rest_of_the_whole(
    pictures: Dataset, options: Any, workers: int
) -> None:
    data = replace(pictures, targets=pictures.targets % 10)
    whole = Batches(data, batch_size=32, seed=4, workers=workers, **options)
    list(whole)
    expected = list(whole)
    for start in (0, 1, 6, 7):
        resumed = Batches(data, batch_size=32, seed=4, workers=workers, **options)
        assert same(list(resumed.epoch(1, start=start)), expected[start:])
        assert same(list(resumed.epoch(1)), expected)


def test_global_random_states_stay_as_they_are(pictures: Dataset) -> None:
    def states() -> tuple[Any, ...]:
        return torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())

    before = states()
    data = replace(pictures, targets=pictures.targets % 10)
    for workers in (0, 1):
        list(Batches(data, shuffle=True, augment=EVERYTHING, mix=Mix.from_setting("MixUp"), workers=workers))
        assert states() == before


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_each_global_batch(pictures: Dataset, world: int) -> None:
    one = Batches(pictures, np.arange(121), batch_size=10 * world, shuffle=True, augment=EVERYTHING)
    parts = []
    for rank in range(world):
        mine = Batches(pictures, np.arange(121), batch_size=10, shuffle=True, augment=EVERYTHING)
        assert mine.steps(world) == len(one)
        assert mine.examples == 121
        parts.append(list(mine.epoch(0, rank=rank, world=world)))
    together = [tuple(torch.cat(share) for share in zip(*step, strict=True)) for step in zip(*parts, strict=True)]
    assert same(together, list(one))
    assert {len(targets) for part in parts for _, targets in part} == {
        10,
        0,
        1,
    }  # the last global batch has one example


def test_balanced_sampling_draws_classes_equally_often() -> None:
    data = load_arrays(np.arange(100.0)[:, None], np.repeat([0, 1], [95, 5]))
    batches = Batches(data, batch_size=8, sampling="balanced", seed=2)
    first, second = order(batches), order(batches)
    assert [first.count(label) for label in (0, 1)] == [50, 50]
    assert first != second


def test_an_example_drawn_twice_is_changed_in_two_ways(pictures: Dataset) -> None:
    data = replace(pictures, targets=np.repeat([0, 1], [199, 1]))
    inputs = torch.cat([x for x, _ in Batches(data, sampling="balanced", augment=EVERYTHING)])
    targets = torch.cat([y for _, y in Batches(data, sampling="balanced", augment=EVERYTHING)])
    assert len({row.numpy().tobytes() for row in inputs[targets == 1]}) > 90  # of 100 times the same picture


def test_mixed_targets_are_soft_and_tell_what_was_mixed(pictures: Dataset) -> None:
    data = replace(pictures, targets=pictures.targets % 10)
    plain = Batches(data, batch_size=50)
    for name in ("MixUp", "CutMix"):
        mixed = Batches(data, batch_size=50, mix=Mix.from_setting({name: 0.8}))
        for (inputs, targets), (x, y) in zip(mixed, plain, strict=True):
            assert targets.shape == (50, 10) and targets.dtype == torch.float32
            torch.testing.assert_close(targets.sum(1), torch.ones(50))
            share = float(targets[0, y[0]])  # of the picture itself; the rest is of the one before
            if name == "MixUp":
                torch.testing.assert_close(inputs, share * x + (1 - share) * x.roll(1, 0))
            else:
                assert ((inputs == x) | (inputs == x.roll(1, 0))).all()


@pytest.mark.parametrize(("name", "count"), [("FiveCrop", 5), ("TenCrop", 10)])
def test_an_evaluation_may_look_at_several_crops(pictures: Dataset, name: str, count: int) -> None:
    card, augment, _ = parse_transform({name: 6}, "grayscale")
    assert augment is not None and augment.crops is not None and card.crop is None
    data = augment.prepare(pictures)
    assert isinstance(data.card, ImageInput)
    assert (data.card.crop, data.shape) == ((6, 6), (1, 6, 6))
    for workers in (0, 1):
        inputs, _ = next(iter(Batches(data, batch_size=16, crops=augment.crops, workers=workers)))
        assert inputs.shape == (16, count, 1, 6, 6)
        centre, _ = next(iter(Batches(data, batch_size=16)))
        whole, _ = next(iter(Batches(pictures, batch_size=16)))
        assert torch.equal(inputs[:, 4], centre)
        assert torch.equal(inputs[:, 0], whole[..., :6, :6])
    inputs, _ = next(iter(Batches(data, batch_size=16, augment=augment)))  # nothing random: training sees the centre
    assert torch.equal(inputs, centre)


def test_a_random_crop_trains_on_the_margin_that_an_evaluation_leaves_out(
    pictures: Dataset, digit_folder: Path
) -> None:
    card, augment, _ = parse_transform({"Resize": [12, 12], "RandomCrop": 8}, "grayscale")
    assert augment is not None
    loaded = load_images(digit_folder, card=card)
    data = augment.prepare(loaded)
    assert isinstance(data.card, ImageInput)
    assert (data.card.resize, data.card.crop, data.shape) == ((12, 12), (8, 8), (1, 8, 8))
    assert augment.prepare(data) is data
    whole = torch.cat([x for x, _ in Batches(loaded)])
    windows = whole.unfold(2, 8, 1).unfold(3, 8, 1)  # (n, 1, 5, 5, 8, 8)
    changed = torch.cat([x for x, _ in Batches(data, augment=augment)])
    found = (windows == changed[:, :, None, None]).all(-1).all(-1)[:, 0]
    assert found.flatten(1).any(1).all()
    assert {tuple(place) for place in found.nonzero()[:, 1:].tolist()} > {(0, 0), (4, 4), (2, 2)}
    torch.testing.assert_close(torch.cat([x for x, _ in Batches(data)]), windows[:, :, 2, 2], rtol=0, atol=0)
    files = replace(loaded, inputs=FileStore([p for n in loaded.labels for p in sorted((digit_folder / n).iterdir(), key=lambda p: int(p.stem))], loaded.card))  # type: ignore[arg-type]  # fmt: skip
    lazily = torch.cat([x for x, _ in Batches(augment.prepare(files), augment=augment, workers=1)])
    assert torch.equal(lazily, changed)


def test_pairs_of_pictures_are_changed_each_for_itself(pictures: Dataset) -> None:
    class Pairs:
        def __len__(self) -> int:
            return 100

        def take(self, indices: torch.Tensor) -> torch.Tensor:
            return torch.stack([pictures.inputs.take(indices), pictures.inputs.take(indices)], 1)

        def take_pixels(self, indices: torch.Tensor) -> torch.Tensor:
            pixels = pictures.inputs.take_pixels(indices)  # type: ignore[attr-defined]
            return torch.stack([pixels, pixels], 1)

        def with_card(self, card: ImageInput) -> Any:
            raise NotImplementedError

        def raw(self) -> None:
            return None

    data = Dataset("embedding", pictures.card, Pairs(), np.ones(100, np.float32), (), "pairs", views=2)
    inputs, _ = next(iter(Batches(data, batch_size=20, augment=EVERYTHING)))
    assert inputs.shape == (20, 2, 1, 8, 8)
    assert (inputs[:, 0] != inputs[:, 1]).flatten(1).any(1).all()
    plain, _ = next(iter(Batches(data, batch_size=20)))
    assert torch.equal(plain[:, 0], plain[:, 1])


def test_channels_last_in_the_card_is_kept() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 8, 8), np.uint8)
    first = pixels_dataset(pixels, np.arange(6), tuple("abcdef"), "classification", "noise")
    assert isinstance(first.card, ImageInput)
    last = replace(first, card=replace(first.card, layout="NHWC"), inputs=type(first.inputs)(pixels.transpose(0, 2, 3, 1), replace(first.card, layout="NHWC")))  # type: ignore[call-arg, arg-type]  # fmt: skip
    one, _ = next(iter(Batches(first, augment=EVERYTHING)))
    other, _ = next(iter(Batches(last, augment=EVERYTHING)))
    assert torch.equal(one, other.permute(0, 3, 1, 2))


def test_a_workers_error_arrives_as_it_was_and_the_workers_end(digit_folder: Path, tmp_path: Path) -> None:
    paths = []
    for number, path in enumerate(sorted((digit_folder / "two").iterdir())):
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(path.read_bytes())
    card = ImageInput("input", "grayscale", (8, 8), resize=(8, 8))
    data = Dataset("classification", card, FileStore(paths, card), np.zeros(12, np.int64), ("two",), "two")
    for augment in (None, EVERYTHING):
        batches = Batches(data, batch_size=3, augment=augment, workers=2)
        assert len(list(batches)) == 4
        paths[7].rename(tmp_path / "away")
        with pytest.raises(InputError, match=r"^\S*7\.png does not exist\. Check the path"):
            list(batches)
        (tmp_path / "away").rename(paths[7])
        assert multiprocessing.active_children() == []
        assert len(list(batches)) == 4
        batches.close()
        assert multiprocessing.active_children() == []


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError, GeneratorExit])
def test_workers_end_when_an_epoch_is_left_early(pictures: Dataset, interruption: type[BaseException]) -> None:
    batches = Batches(pictures, batch_size=8, augment=EVERYTHING, workers=2)
    iterator: Any = iter(batches)
    next(iterator)
    assert len(multiprocessing.active_children()) == 2
    if interruption is GeneratorExit:
        iterator.close()
    else:
        with pytest.raises(interruption):
            iterator.throw(interruption())
    assert multiprocessing.active_children() == []
    assert len(list(batches)) == 25
    del batches, iterator
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("size", [0, -1, 2.5, "8", None, True])
def test_a_batch_size_that_is_none_is_refused(size: Any) -> None:
    with pytest.raises(InputError, match="a whole number of at least 1 is expected"):
        Batches(DATA, batch_size=size)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": -1}, "workers=-1 was given"),
        ({"sampling": "balancd"}, "Did you mean 'balanced'"),
        ({"augment": EVERYTHING}, "arrays holds no pictures"),
        ({"mix": Mix.from_setting("MixUp")}, "MixUp mixes pictures"),
        ({"crops": Crops("FiveCrop", (2, 2))}, "FiveCrop takes crops of pictures"),
    ],
)
def test_what_does_not_fit_the_data_is_refused_before_the_first_batch(options: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Batches(DATA, **options)


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        ({"RandomCrop": 12}, "a crop of 12 x 12 is larger than the picture of 8 x 8 pixels"),
        ({"RandomResizedCrop": 12}, "RandomResizedCrop gives 12 x 12 pixels; the pictures have 8 x 8"),
        ({"RandomChoice": [{"Grayscale": 3}]}, "leave 3 channels, but the pictures have 1"),
        (
            {"RandomAffine": {"degrees": 5, "interpolation": "bicubic"}},
            "RandomAffine cannot be applied to pictures of 1 x 8 x 8",
        ),
    ],
)
def test_a_step_that_cannot_work_on_these_pictures_is_refused_before_the_first_batch(
    pictures: Dataset, transform: Any, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        Batches(pictures, augment=Augmentation.from_setting(transform))
    with pytest.raises(InputError, match="TenCrop takes 9 x 9 pixels from pictures of 8 x 8"):
        Batches(pictures, crops=Crops("TenCrop", (9, 9)))
    masks = replace(pictures, task="dense", targets=np.zeros((200, 8, 8), np.int64))
    with pytest.raises(InputError, match="but not the classes of their pixels"):
        Batches(masks, augment=EVERYTHING)
