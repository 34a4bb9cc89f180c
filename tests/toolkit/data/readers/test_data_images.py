"""Picture folders: colours, sizes, order, and the pictures that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from runtime.card import ImageInput
from runtime.errors import InputError
from runtime.preprocess import prepare_image
from toolkit.data.dataset import Dataset
from toolkit.data.readers import images
from toolkit.data.readers.images import class_folders, load_images
from toolkit.data.source import open_pictures
from toolkit.data.stores import FileStore, PixelStore

RANDOM = np.random.default_rng(0)


def inputs(data: Dataset) -> np.ndarray:
    return data.inputs.take(torch.arange(len(data))).numpy()


def save(path: Path, pixels: Any, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, **options)
    return path


def plain(height: int, width: int, color: tuple[int, ...] = (255, 0, 0)) -> np.ndarray:
    return np.full((height, width, len(color)), color, np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp"])
def test_a_red_picture_is_red(tmp_path: Path, suffix: str) -> None:
    save(tmp_path / "red" / f"1.{suffix}", plain(4, 5), **({"lossless": True} if suffix == "webp" else {}))
    red, green, blue = inputs(load_images(tmp_path))[0]
    assert (red == 1).all()
    assert (green == 0).all()
    assert (blue == 0).all()


def test_gray_weighs_the_colours_as_the_eye_does(tmp_path: Path) -> None:
    save(tmp_path / "red" / "1.png", plain(4, 5))
    data = load_images(tmp_path, color="grayscale")
    assert data.shape == (1, 4, 5)
    np.testing.assert_allclose(inputs(data), 0.299, atol=0.002)


@pytest.mark.filterwarnings("ignore:Not read in")
def test_classes_and_files_come_in_the_same_order_every_time(tmp_path: Path) -> None:
    for name in ("dog", "cat", "ant"):
        for number in (10, 9, 2, 1, 0):
            save(tmp_path / name / f"img{number}.png", plain(2, 2, (number,) * 3))
    save(tmp_path / "cat" / "deeper" / "img3.png", plain(2, 2, (3, 3, 3)))
    (tmp_path / "empty").mkdir()
    save(tmp_path / ".hidden" / "x.png", plain(2, 2))
    (tmp_path / "notes.txt").write_text("not a class")
    (tmp_path / "ant" / "readme.txt").write_text("not a picture")
    assert [folder.name for folder in class_folders(tmp_path)] == ["ant", "cat", "dog"]
    data = load_images(tmp_path)
    assert data.labels == ("ant", "cat", "dog")
    assert data.targets.tolist() == [0] * 5 + [1] * 6 + [2] * 5
    order = (inputs(data)[:, 0, 0, 0] * 255).round().astype(int).tolist()
    assert order == [0, 1, 2, 9, 10, 3, 0, 1, 2, 9, 10, 0, 1, 2, 9, 10]
    assert inputs(load_images(tmp_path, workers=3)).tobytes() == inputs(data).tobytes()
    assert load_images(tmp_path).fingerprint() == data.fingerprint()


def test_the_numbers_are_those_of_the_runtimes_own_preparation(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / "a" / f"{number}.png", RANDOM.integers(0, 256, (9 + number, 7, 3)))
    card = ImageInput(
        "input", "RGB", (4, 4), resize=(8, 6), filter="bicubic", crop=(4, 4), mean=(0.5,) * 3, std=(0.2,) * 3
    )
    data = load_images(tmp_path, card=card)
    assert data.card == card
    expected = [prepare_image(tmp_path / "a" / f"{number}.png", card) for number in range(4)]
    np.testing.assert_array_equal(inputs(data), expected)


def test_a_shared_size_is_found_and_kept_in_the_card(tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / name / "1.png", plain(6, 9))
    card = load_images(tmp_path).card
    assert card == ImageInput("input", "RGB", (6, 9), resize=(6, 9))


def test_mixed_sizes_are_refused_with_the_remedy(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "a" / f"{number}.png", plain(6, 9))
    odd = save(tmp_path / "b" / "odd.png", plain(7, 8))
    with pytest.raises(InputError) as caught:
        load_images(tmp_path)
    assert str(caught.value) == (
        f"The pictures have 2 different sizes: 3 are 6 x 9, but {odd} is 7 x 8 pixels. Give one size to bring them to, such as "
        f"size=(6, 9), in a transform {{'Resize': [6, 9]}}."
    )
    assert inputs(load_images(tmp_path, size=(5, 4))).shape == (4, 3, 5, 4)


def test_a_shorter_side_alone_is_refused_and_works_with_a_crop(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", plain(10, 20))
    with pytest.raises(InputError, match="give a crop"):
        load_images(tmp_path, card=ImageInput("input", "RGB", (1, 1), resize=8))
    data = load_images(tmp_path, card=ImageInput("input", "RGB", (1, 1), resize=8, crop=(8, 8)))
    assert data.shape == (3, 8, 8)


def test_a_picture_lying_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    path = tmp_path / "a" / "1.jpg"
    path.parent.mkdir()
    Image.fromarray(plain(4, 8)).save(path, exif=exif)
    assert load_images(tmp_path).shape == (3, 8, 4)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
@pytest.mark.parametrize("size", [None, (4, 4)])
def test_an_unreadable_picture_is_named(tmp_path: Path, content: bytes, size: tuple[int, int] | None) -> None:
    save(tmp_path / "a" / "1.png", plain(4, 4))
    (tmp_path / "a" / "broken.png").write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.png cannot be read as a picture"):
        load_images(tmp_path, size=size)


def test_a_truncated_picture_is_named_at_any_length(tmp_path: Path) -> None:
    path = save(tmp_path / "a" / "cut.png", RANDOM.integers(0, 256, (12, 12, 3)))
    content = path.read_bytes()
    for length in range(0, len(content) - 16, 23):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cut\.png cannot be read as a picture"):
            load_images(tmp_path, size=(4, 4))


@pytest.mark.parametrize("names", [[], ["loose.png"], ["folder/readme.txt"]])
def test_without_class_folders_the_layout_is_explained(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="one sub-folder a class is expected, such as"):
        load_images(tmp_path)
    with pytest.raises(InputError, match="missing does not exist or is not a folder"):
        load_images(tmp_path / "missing")


def test_sets_beyond_memory_are_read_from_their_files_with_the_same_numbers(
    digit_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = load_images(digit_folder)
    assert isinstance(in_memory.inputs, PixelStore)
    monkeypatch.setattr(images, "PIXEL_BYTES", 100)
    from_files = load_images(digit_folder, workers=2)
    assert isinstance(from_files.inputs, FileStore)
    assert from_files.card == in_memory.card
    np.testing.assert_array_equal(inputs(from_files), inputs(in_memory))


def test_what_lies_around_a_crop_is_kept_for_training(digit_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = ImageInput("input", "RGB", (1, 1), resize=(12, 12), crop=(8, 6))
    in_memory = load_images(digit_folder, card=card)
    monkeypatch.setattr(images, "PIXEL_BYTES", 100)
    from_files = load_images(digit_folder, card=card)
    whole = torch.arange(3)
    for data in (in_memory, from_files):
        assert data.shape == (3, 8, 6)
        assert data.inputs.take_pixels(whole).shape == (3, 3, 12, 12)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(inputs(from_files), inputs(in_memory))


@pytest.mark.parametrize("workers", [0, -3])
def test_a_number_of_workers_below_one_is_refused(digit_folder: Path, workers: int) -> None:
    with pytest.raises(InputError, match=f"workers={workers} was given"):
        load_images(digit_folder, workers=workers)


def test_what_is_not_read_beside_the_classes_and_parts_is_told(tmp_path: Path) -> None:
    for name in ("train/cat/1.png", "train/dog/1.png", "val/cat/1.jfif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name, format="PNG")
    (tmp_path / "train" / "bird").mkdir()
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "1.png").touch()
    with pytest.warns(UserWarning) as caught:
        source = open_pictures(tmp_path)
    assert source.validation is not None
    assert len(source.validation) == 1
    assert [str(one.message) for one in caught] == [
        f"Not read in {tmp_path}: 1 file (1 .png); 1 folder without a picture (extra).",
        f"Not read in {tmp_path / 'train'}: 1 folder without a picture (bird).",
    ]
