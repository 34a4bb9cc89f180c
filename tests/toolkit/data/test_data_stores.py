"""Rows, pixels and files give identical numbers; they differ in memory only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from runtime.card import ImageInput
from runtime.errors import InputError
from runtime.preprocess import decode, normalize, prepare_image
from toolkit.data import stores
from toolkit.data.stores import FileStore, PixelStore, RowStore, store_pixels

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
        for positions in ([0, 1, 2], [11, 3, 3, 0], [5]):
            found = store.take(torch.tensor(positions))
            assert found.dtype == torch.float32
            np.testing.assert_array_equal(found.numpy(), expected[positions])


def test_small_sets_are_kept_as_floats_and_large_ones_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.zeros((10, 1, 8, 8), np.uint8)
    assert isinstance(store_pixels(pixels, CARDS[0]), RowStore)
    monkeypatch.setattr(stores, "FLOAT_BYTES", 10 * 64 * 4 - 1)
    assert isinstance(store_pixels(pixels, CARDS[0]), PixelStore)


def test_what_is_in_memory_can_be_fingerprinted(digit_folder: Path) -> None:
    paths = sorted((digit_folder / "two").iterdir())
    pixels = np.stack([decode(path, CARDS[0]) for path in paths])
    assert PixelStore(pixels, CARDS[0]).raw() is pixels
    np.testing.assert_array_equal(RowStore(normalize(pixels, CARDS[0])).raw(), normalize(pixels, CARDS[0]))
    assert FileStore(paths, CARDS[0]).raw() is None


def test_a_file_that_vanished_since_is_named_when_it_is_taken(tmp_path: Path, digit_folder: Path) -> None:
    path = tmp_path / "gone.png"
    path.write_bytes((digit_folder / "two" / "0.png").read_bytes())
    store = FileStore([path], CARDS[0])
    path.unlink()
    with pytest.raises(InputError, match=r"gone\.png does not exist"):
        store.take(torch.tensor([0]))
