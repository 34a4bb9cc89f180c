"""Sheets are pictures of the asked size, and the facts are those of the data."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime.errors import InputError
from toolkit.data.augmentation import Augmentation, Mix
from toolkit.data.inspection.sheet import augmentation_sheet, data_facts, data_sheet
from toolkit.data.readers.arrays import load_arrays, pixels_dataset
from toolkit.data.readers.digits import digit_pictures, load_digits
from toolkit.data.readers.images import load_images
from toolkit.data.stores import FileStore

ROTATION = Augmentation.from_setting([{"RandomRotation": 15}, {"RandomCrop": 7}])


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    assert image.format == "PNG"
    return image.convert("RGB")


def test_the_augmentation_is_drawn_beside_the_original() -> None:
    data = load_digits()
    small, large = (opened(augmentation_sheet(data, ROTATION, rows=2, columns=columns)) for columns in (3, 6))
    assert large.width > 1.8 * small.width
    assert augmentation_sheet(data, ROTATION, seed=1, rows=3) == augmentation_sheet(data, ROTATION, seed=1, rows=3)
    assert augmentation_sheet(data, ROTATION, seed=1, rows=3) != augmentation_sheet(data, ROTATION, seed=2, rows=3)


def test_mixed_pictures_and_crops_are_drawn() -> None:
    data, nothing = load_digits(), Augmentation(())
    plain = augmentation_sheet(data, nothing, rows=3, columns=3)
    mixed = augmentation_sheet(data, nothing, mix=Mix.from_setting({"MixUp": 1}), rows=3, columns=3)
    assert opened(mixed).size == opened(plain).size
    assert mixed != plain
    ten = opened(augmentation_sheet(data, Augmentation.from_setting([{"TenCrop": 6}]), rows=3, columns=3))
    assert ten.width == pytest.approx(opened(plain).width * 11 / 3, abs=2)  # the picture and its crops


def test_samples_and_counts_are_drawn_in_colour_and_grey(digit_folder: Path) -> None:
    for color in ("RGB", "grayscale"):
        image = opened(data_sheet(load_images(digit_folder, color=color, size=(8, 8)), columns=4))  # type: ignore[arg-type]
        assert image.width > 400 and len(image.getcolors(1 << 24) or []) > 20


def test_names_that_look_like_formulas_or_lack_a_glyph_are_drawn(digit_folder: Path) -> None:
    data = replace(load_images(digit_folder, color="grayscale"), labels=("$x$", "\u4e00" * 40, "_{"))
    opened(data_sheet(data))
    opened(augmentation_sheet(data, ROTATION, rows=3, columns=2))


def test_the_facts_are_plain_and_those_of_the_data(digit_folder: Path) -> None:
    data = load_images(digit_folder, color="grayscale", size=(4, 4))
    facts = data_facts(data)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["classes"] == {"one": 12, "two": 12, "zero": 12}
    assert (facts["examples"], facts["shape"], facts["sizes"]) == (36, [1, 4, 4], {"8 x 8": 36})
    files = replace(data, inputs=FileStore(sorted(digit_folder.rglob("*.png")), data.card))  # type: ignore[arg-type]
    assert data_facts(files)["sizes"] == {"8 x 8": 36}
    whole = data_facts(load_digits())
    pixels = digit_pictures()[0] / 255
    assert whole["mean"] == [pytest.approx(pixels.mean(), abs=1e-4)]
    assert whole["deviation"] == [pytest.approx(pixels.std(), abs=1e-4)]
    assert (whole["sizes"], whole["measured"]) == ({"8 x 8": 1797}, 1797)


def test_several_labels_and_values_are_shown_too() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 8, 8), np.uint8)
    marks = np.array([[1, 0], [1, 1], [0, 1], [1, 1], [0, 0], [0, 1]], np.float32)
    data = pixels_dataset(pixels, marks, ("red", "round"), "multilabel", "marks")
    assert data_facts(data)["classes"] == {"red": 3, "round": 4}
    opened(data_sheet(data))
    opened(augmentation_sheet(data, ROTATION, rows=4, columns=2))
    values = pixels_dataset(pixels, marks, ("a", "b"), "regression", "values")
    assert data_facts(values)["classes"] == {"all": 6}
    opened(augmentation_sheet(values, ROTATION, rows=2, columns=2))


def test_what_cannot_be_drawn_is_refused() -> None:
    table = load_arrays(np.zeros((4, 2)), [0, 1, 0, 1])
    for draw in (data_sheet, data_facts, lambda data: augmentation_sheet(data, ROTATION)):
        with pytest.raises(InputError, match="holds no pictures"):
            draw(table)
    with pytest.raises(InputError, match="rows=0 was given; a whole number from 1 to 100"):
        augmentation_sheet(load_digits(), ROTATION, rows=0)
