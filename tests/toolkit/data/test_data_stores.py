"""Rows, pixels and files give identical numbers; they differ in memory only."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from runtime.card import ImageInput
from runtime.errors import InputError
from runtime.preprocess import decode, normalize, prepare_image
from toolkit.data import stores
from toolkit.data.augmentation.transforms import parse_transform
from toolkit.data.stores import FileStore, PictureStore, PixelStore, RowStore

CARDS = [
    ImageInput("input", "grayscale", (8, 8), resize=(8, 8)),
    ImageInput("input", "RGB", (6, 5), resize=(6, 5), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)),
    ImageInput("input", "RGB", (4, 4), resize=7, crop=(4, 4), filter="nearest", layout="NHWC", scale=1.0),
]


@pytest.mark.parametrize("card", CARDS)
def test_all_three_give_the_numbers_of_the_runtime(digit_folder: Path, card: ImageInput) -> None:
    paths = sorted((digit_folder / "two").iterdir())
    pixels = np.stack([decode(path, card) for path in paths])
    expected = np.stack([prepare_image(path, card) for path in paths])
    for store in (RowStore(normalize(pixels, card)), PixelStore(pixels, card), FileStore(paths, card, workers=2)):
        assert len(store) == 12
        for positions in ([0, 1, 2], [11, 3, 3, 0], [5], []):
            found = store.take(torch.tensor(positions, dtype=torch.int64))
            assert found.dtype == torch.float32
            np.testing.assert_array_equal(found.numpy(), expected[positions])
            if isinstance(store, PictureStore):
                np.testing.assert_array_equal(
                    store.take_pixels(torch.tensor(positions, dtype=torch.int64)), pixels[positions]
                )
    assert not isinstance(RowStore(pixels), PictureStore)


def test_small_sets_are_prepared_once_and_large_ones_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (10, 1, 8, 8), np.uint8)
    few, positions = PixelStore(pixels, CARDS[0]), torch.tensor([3, 1])
    expected = few.take(positions)
    assert few._rows is not None
    assert pickle.loads(pickle.dumps(few))._rows is None
    monkeypatch.setattr(stores, "FLOAT_BYTES", 10 * 64 * 4 - 1)
    many = PixelStore(pixels, CARDS[0])
    assert torch.equal(many.take(positions), expected)
    assert many._rows is None


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@given(size=st.tuples(st.integers(1, 20), st.integers(1, 20)), crop=st.tuples(st.integers(1, 22), st.integers(1, 22)))
def test_pixels_kept_whole_are_cropped_as_the_runtime_crops(
    layout: str, size: tuple[int, int], crop: tuple[int, int]
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    whole = ImageInput("input", "RGB", size, layout=layout)  # type: ignore[arg-type]
    card = replace(whole, size=crop, crop=crop)
    store = PixelStore(decode(picture, whole)[None], whole).with_card(card)
    np.testing.assert_array_equal(store.take(torch.tensor([0]))[0].numpy(), prepare_image(picture, card))
    np.testing.assert_array_equal(store.take_pixels(torch.tensor([0]))[0].numpy(), decode(picture, whole))


@given(
    size=st.tuples(st.integers(5, 90), st.integers(5, 90)),
    side=st.integers(9, 60),
    crop=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_the_square_that_is_kept_leaves_the_crop_at_the_centre_as_it_was(
    size: tuple[int, int], side: int, crop: tuple[int, int]
) -> None:
    crop = min(crop[0], side), min(crop[1], side)
    picture = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    loading, augment, _ = parse_transform({"Resize": side, "RandomCrop": list(crop)}, "grayscale")
    assert augment is not None and loading.crop is not None
    loading = replace(loading, size=loading.crop)
    card = replace(loading, size=crop, crop=crop)
    store = PixelStore(decode(picture, loading)[None], loading).with_card(card)
    np.testing.assert_array_equal(store.take(torch.tensor([0]))[0].numpy(), prepare_image(picture, card))


def test_files_give_the_whole_picture_to_an_augmentation(digit_folder: Path) -> None:
    paths = sorted((digit_folder / "two").iterdir())
    cropped = replace(CARDS[0], crop=(4, 6), size=(4, 6))
    store = FileStore(paths, CARDS[0]).with_card(cropped)
    assert store.take(torch.tensor([1, 2])).shape == (2, 1, 4, 6)
    assert store.take_pixels(torch.tensor([1, 2])).shape == (2, 1, 8, 8)
    again = pickle.loads(pickle.dumps(store))
    assert torch.equal(again.take(torch.tensor([1, 2])), store.take(torch.tensor([1, 2])))


def test_what_is_in_memory_stands_for_itself_in_a_fingerprint(digit_folder: Path) -> None:
    paths = sorted((digit_folder / "two").iterdir())
    pixels = np.stack([decode(path, CARDS[0]) for path in paths])
    assert PixelStore(pixels, CARDS[0]).raw() is pixels
    np.testing.assert_array_equal(RowStore(normalize(pixels, CARDS[0])).raw(), normalize(pixels, CARDS[0]))


def test_the_fingerprint_of_files_covers_names_sizes_and_content(tmp_path: Path, digit_folder: Path) -> None:
    def fingerprint(root: Path) -> bytes:
        return FileStore(sorted(root.rglob("*.png")), CARDS[0]).raw().tobytes()

    def copy(name: str) -> Path:
        root = tmp_path / name / "two"
        root.mkdir(parents=True)
        for path in (digit_folder / "two").iterdir():
            (root / path.name).write_bytes(path.read_bytes())
        return root

    before = fingerprint(copy("first"))
    moved = copy("second")
    assert fingerprint(moved) == before  # the same files elsewhere, of another time
    os.utime(moved / "3.png", (0, 0))
    assert fingerprint(moved) == before
    (moved / "3.png").rename(moved / "30.png")
    assert fingerprint(moved) != before
    (moved / "30.png").rename(moved / "3.png")
    content = bytearray((moved / "3.png").read_bytes())
    content[-20] ^= 1  # as long as before
    (moved / "3.png").write_bytes(bytes(content))
    assert fingerprint(moved) != before
    (moved / "3.png").unlink()
    assert fingerprint(moved) != before


def test_a_file_that_vanished_since_is_named_when_it_is_taken(tmp_path: Path, digit_folder: Path) -> None:
    path = tmp_path / "gone.png"
    path.write_bytes((digit_folder / "two" / "0.png").read_bytes())
    store = FileStore([path], CARDS[0])
    path.unlink()
    with pytest.raises(InputError, match=r"gone\.png does not exist"):
        store.take(torch.tensor([0]))
