"""The preparation as ONNX operators against `runtime.preprocess`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from exporters.pre_post_processing.pictures import accepts, raw_from_prepared, trial_pictures
from exporters.pre_post_processing.preparation import build_preparation
from runtime.card import ImageInput
from runtime.card.image_input import FILTERS
from runtime.errors import ModelFileError
from runtime.preprocess import prepare_image
from runtime.session import Session

Pixels = np.ndarray


def graph_of(card: ImageInput, folder: Path, opset: int = 18) -> Callable[[Pixels], np.ndarray]:
    """The preparation run by onnxruntime, from a file that onnx finds nothing wrong with."""
    model = build_preparation(card).as_model(card, opset, 8)
    onnx.checker.check_model(model, full_check=True)
    path = folder / "preparation.onnx"
    onnx.save(model, path)
    session = Session(path, "cpu", threads=1)
    return lambda pictures: session.run({card.name: pictures})[session.outputs[0].name]


def levels(card: ImageInput, prepare: Callable[[Pixels], np.ndarray], pictures: Pixels) -> float:
    """The worst difference in grey levels."""
    plain = [picture[:, :, 0] if picture.shape[2] == 1 else picture for picture in pictures]
    expected = np.stack([prepare_image(picture, card) for picture in plain])
    found = prepare(pictures)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    step = card.scale / min(card.std or (1.0,))
    return float(np.abs(found - expected).max() / step)


def noise(seed: int, height: int, width: int, channels: int = 3) -> Pixels:
    """Two pictures: noise, and black and white."""
    random = np.random.default_rng(seed)
    shape = (height, width, channels)
    return np.stack([random.integers(0, 256, shape, np.uint8), (random.integers(0, 2, shape) * 255).astype(np.uint8)])


IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
CARDS = {
    "stretched": ImageInput("x", "RGB", (24, 32), resize=(24, 32), **IMAGENET),
    "shorter side and crop": ImageInput("x", "RGB", (28, 28), resize=32, crop=(28, 28), filter="bicubic", **IMAGENET),
    "crop beyond the picture": ImageInput("x", "grayscale", (40, 21), crop=(40, 21)),
    "resized below its crop": ImageInput("x", "RGB", (33, 30), resize=17, crop=(33, 30), layout="NHWC"),
    "only scaled": ImageInput("x", "grayscale", (9, 11), scale=1.0, mean=(127.5,), std=(64.0,)),
}


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_pictures_of_any_size_are_prepared_as_outside(card: ImageInput, tmp_path: Path) -> None:
    prepare = graph_of(card, tmp_path)
    tried = 0
    for pictures in trial_pictures(card, np.zeros((1, 5, 5, card.channels), np.uint8)):
        assert levels(card, prepare, pictures) <= 1.001
        tried += 1
    assert tried >= (1 if card.resize is None and card.crop is None else 8)


@pytest.mark.parametrize("opset", [13, 17, 20])
@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_is_exactly_pillows(name: str, opset: int, tmp_path: Path) -> None:
    card = ImageInput("x", "RGB", (19, 23), resize=(19, 23), filter=name)
    prepare = graph_of(card, tmp_path, opset)
    for seed, (height, width) in enumerate([(1, 1), (7, 50), (50, 7), (19, 100), (100, 23), (64, 64), (333, 41)]):
        assert levels(card, prepare, noise(seed, height, width)) < 1e-3


@given(st.sampled_from(FILTERS), st.tuples(st.integers(1, 40), st.integers(1, 40)), st.data())
@settings(max_examples=60, deadline=None)
def test_stretching_any_size_to_any_other(
    tmp_path_factory: pytest.TempPathFactory, name: str, size: tuple[int, int], data: st.DataObject
) -> None:
    card = ImageInput("x", "RGB", size, resize=size, filter=name)
    prepare = graph_of(card, tmp_path_factory.mktemp("stretch"))
    for _ in range(3):
        height, width = data.draw(st.tuples(st.integers(1, 150), st.integers(1, 150)))
        assert levels(card, prepare, noise(data.draw(st.integers(0, 9)), height, width)) <= 1.001


@given(st.integers(1, 30), st.tuples(st.integers(1, 40), st.integers(1, 40)), st.data())
@settings(max_examples=60, deadline=None)
def test_the_shorter_side_and_a_crop_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, resize: int, crop: tuple[int, int], data: st.DataObject
) -> None:
    card = ImageInput("x", "grayscale", crop, resize=resize, crop=crop, mean=(0.3,), std=(0.2,))
    prepare = graph_of(card, tmp_path_factory.mktemp("crop"))
    for _ in range(3):
        height, width = data.draw(st.tuples(st.integers(1, 90), st.integers(1, 90)))
        assert levels(card, prepare, noise(data.draw(st.integers(0, 9)), height, width, 1)) <= 1.001


def test_a_photograph_is_prepared_within_one_level(tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:1200, 0:1600]
    waves = np.stack([np.sin(rows / 40 + k) * np.cos(columns / (30 + 9 * k)) for k in range(3)], axis=2)
    picture = (127 + 120 * waves + np.random.default_rng(0).normal(0, 4, waves.shape)).clip(0, 255).astype(np.uint8)
    card = ImageInput("x", "RGB", (224, 224), resize=256, crop=(224, 224), **IMAGENET)
    assert levels(card, graph_of(card, tmp_path), picture[None]) <= 1.001


def test_a_tall_picture_is_filtered_in_pillows_order(tmp_path: Path) -> None:
    # black and white, and a filter that overshoots: the order of the passes is worth tens of levels here
    card = ImageInput("x", "grayscale", (9, 80), resize=(9, 80), filter="lanczos")
    pictures = noise(0, 200, 40, 1)
    assert levels(card, graph_of(card, tmp_path), pictures) < 1e-3
    assert np.asarray(Image.fromarray(pictures[0, :, :, 0]).resize((80, 9), Image.Resampling.LANCZOS)).shape == (9, 80)


def test_pictures_of_the_wrong_size_do_not_become_other_rows(tmp_path: Path) -> None:
    card = ImageInput("x", "RGB", (8, 8), resize=8)
    prepare = graph_of(card, tmp_path)
    assert prepare(noise(0, 20, 20)).shape == (2, 3, 8, 8)
    with pytest.raises(ModelFileError, match="expand"):
        prepare(noise(0, 20, 40))


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_prepared_rows_go_back_to_the_pictures_they_came_from(card: ImageInput) -> None:
    pictures = noise(3, *card.size, card.channels)
    flat = ImageInput("x", card.color, card.size, mean=card.mean, std=card.std, scale=card.scale, layout=card.layout)
    prepared = np.stack([prepare_image(p if card.channels == 3 else p[:, :, 0], flat) for p in pictures])
    raw = raw_from_prepared(prepared, card)
    assert accepts(raw.shape[1:3], card)
    again = np.stack([prepare_image(p if card.channels == 3 else p[:, :, 0], card) for p in raw])
    # a crop that reaches beyond the resized picture is black there, whatever was in the row
    if card is not CARDS["resized below its crop"]:
        np.testing.assert_array_equal(again, prepared)
    assert again.shape == prepared.shape
