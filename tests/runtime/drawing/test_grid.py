"""Pictures side by side."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runtime.drawing.grid import grid
from runtime.errors import InputError

RED = np.tile(np.array((255, 0, 0), np.uint8), (8, 8, 1))
FRAME = (0x3B, 0x6F, 0xB6)
EMPTY = (0xEE, 0xEE, 0xEE)


def centre(page: Image.Image, column: int, row: int = 0) -> tuple[int, ...]:
    return page.getpixel((12 + column * 140 + 64, 12 + row * 174 + 64))


def test_each_row_is_drawn_with_its_first_picture_framed() -> None:
    page = grid([[(RED, "a"), (RED, "b")], [(RED, "c")]])
    assert page.size == (12 + 2 * 140, 12 + 2 * 174)
    assert [centre(page, 0), centre(page, 1), centre(page, 0, 1), centre(page, 1, 1)] == [
        (255, 0, 0), (255, 0, 0), (255, 0, 0), (255, 255, 255),
    ]  # fmt: skip
    assert page.getpixel((10, 60)) == page.getpixel((10, 12 + 174 + 60)) == FRAME
    assert grid([[(RED, "a")]], highlight_first=False).getpixel((10, 60)) == (255, 255, 255)


def test_a_picture_that_is_gone_or_broken_leaves_its_cell_empty(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    row = [
        (None, ""),
        (tmp_path / "missing.png", "gone"),
        (tmp_path / "broken.png", "broken"),
        (Image.new("La", (8, 8)), ""),
    ]
    page = grid([row])
    assert [centre(page, column) for column in range(4)] == [EMPTY] * 4


def test_pictures_are_shown_as_the_model_sees_them_upright_and_over_white() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    half = np.zeros((100, 100, 3), np.uint8)
    half[:50, :, 0] = 255
    buffer = io.BytesIO()
    Image.fromarray(half).save(buffer, "PNG", exif=exif)
    page = grid([[(buffer.getvalue(), ""), (np.zeros((8, 8, 4), np.uint8), "")]])
    assert page.getpixel((76, 30)) == (0, 0, 0)
    assert page.getpixel((76, 120)) == (255, 0, 0)
    assert centre(page, 1) == (255, 255, 255)


def test_small_pictures_keep_their_pixels_visible() -> None:
    page = grid([[(np.array([[0, 255]], np.uint8), "")]])
    assert {page.getpixel((12 + x, 12 + 64)) for x in range(128)} == {(0, 0, 0), (255, 255, 255)}


@pytest.mark.parametrize("rows", [[], [[]], [[], []]])
def test_nothing_to_draw_is_refused(rows: list) -> None:
    with pytest.raises(InputError, match="no pictures to draw"):
        grid(rows)


@given(st.text(max_size=60), st.tuples(st.integers(1, 400), st.integers(1, 400)))
@settings(deadline=None, max_examples=40)
def test_any_caption_and_any_shape_fit_into_a_cell(caption: str, shape: tuple[int, int]) -> None:
    page = grid([[(np.zeros(shape, np.uint8), caption)]])
    assert page.size == (152, 186)
    assert (np.asarray(page) == 0).any()
    margin = np.asarray(page)[:, :3]
    assert (margin == 255).all()
