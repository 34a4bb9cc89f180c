"""Files that take raw pictures: runs of one size each, in order, never too many pixels at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from PIL import Image

import runtime
from runtime import batches
from runtime.card import ImageInput, ModelCard, OutputCard
from runtime.errors import InputError
from runtime.model import Model
from runtime.preprocess import raw_pixels
from runtime.session import Session

ENTRY = ImageInput("picture", "RGB", (4, 4), resize=(4, 4), prepared_in_graph=True)


@pytest.fixture(scope="module")
def mean_colour(onnx_file: Callable[..., Path]) -> Model:
    """uint8 (N, H, W, 3) -> the mean of each channel, (N, 3)."""
    card = ModelCard("embedding", (ENTRY,), (OutputCard("embedding", "embedding"),))
    path = onnx_file(
        [
            ("Cast", ["picture"], ["values"], {"to": TensorProto.FLOAT}),
            ("ReduceMean", ["values"], ["embedding"], {"axes": [1, 2], "keepdims": 0}),
        ],
        [("picture", TensorProto.UINT8, ["N", "H", "W", 3])],
        [("embedding", TensorProto.FLOAT, ["N", 3])],
        card,
    )
    return runtime.load(path, "cpu")


def plain(value: int, height: int, width: int) -> np.ndarray:
    """A picture full of one grey."""
    return np.full((height, width, 3), value, np.uint8)


@given(st.lists(st.tuples(st.integers(0, 255), st.sampled_from([(3, 5), (5, 3), (20, 1)])), min_size=1, max_size=70))
@settings(deadline=None, max_examples=40)
def test_pictures_of_any_sizes_come_back_in_order(
    mean_colour: Model, pictures: list[tuple[int, tuple[int, int]]]
) -> None:
    found = mean_colour.embed([plain(value, *size) for value, size in pictures])
    np.testing.assert_allclose(found, [[value] * 3 for value, _ in pictures], atol=1e-3)


def test_runs_hold_pictures_of_one_size_and_few_pixels(mean_colour: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    right = Session.run

    def watched(self: Session, inputs: dict[str, np.ndarray], outputs: list[str] | None = None) -> object:
        seen.append(inputs["picture"].shape)
        return right(self, inputs, outputs)

    monkeypatch.setattr(Session, "run", watched)
    monkeypatch.setattr(batches, "_RAW_ELEMENTS", 200)
    sizes = [(3, 5)] * 7 + [(9, 9)] * 2 + [(3, 5)]
    list(
        batches.run_pictures(
            mean_colour.session, [plain(9, *size) for size in sizes], ENTRY, batches.asking("embedding"), workers=1
        )
    )
    # 45 numbers a picture of 3 x 5, 243 of one of 9 x 9, which runs by itself
    assert [shape[:3] for shape in seen] == [(4, 3, 5), (3, 3, 5), (1, 9, 9), (1, 9, 9), (1, 3, 5)]


def test_a_picture_that_cannot_be_read_fails_alone(mean_colour: Model, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    Image.fromarray(plain(7, 6, 2)).save(tmp_path / "good.png")
    good, bad, last = mean_colour.predict(
        [tmp_path / "good.png", tmp_path / "bad.png", plain(8, 6, 2)], on_error="keep"
    )
    assert good.values.tolist() == [7.0] * 3
    assert "cannot be read" in str(bad.error)
    assert last.values.tolist() == [8.0] * 3


def test_orientation_and_colour_are_settled_outside(mean_colour: Model) -> None:
    image = Image.fromarray(plain(3, 4, 9))
    image.getexif()[274] = 6  # turned by a quarter
    assert raw_pixels(image, ENTRY).shape == (9, 4, 3)
    assert raw_pixels(image, ImageInput("x", "grayscale", (4, 4), resize=(4, 4))).shape == (9, 4, 1)
    assert mean_colour.embed(image).tolist() == [3.0] * 3


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (ImageInput("x", "RGB", (4, 4)), "9 x 5 pixels; the model takes 4 x 4 and its card says not to resize"),
        (ImageInput("x", "RGB", (4, 4), resize=4), "bring the shorter side to 4 and no crop"),
    ],
)
def test_a_size_that_the_preparation_cannot_mend_is_refused(card: ImageInput, words: str) -> None:
    with pytest.raises(InputError, match=words):
        raw_pixels(plain(0, 9, 5), card)


def test_prepared_rows_are_refused(mean_colour: Model) -> None:
    with pytest.raises(InputError, match="takes uint8 only"):
        mean_colour.embed(np.zeros((2, 3, 4, 4), np.float32))
