"""Captions and colours on pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from runtime.drawing.caption import captioned
from runtime.drawing.overlay import class_colour, overlaid
from runtime.drawing.scaling import scaled_within


def test_lines_stand_below_the_picture_each_in_its_width() -> None:
    picture = Image.new("RGB", (50, 20), "#0000ff")
    page = captioned(picture, ["a", "a text that is much too long for fifty pixels\nof two lines"])
    assert page.size == (50, 20 + 4 + 30)
    pixels = np.asarray(page)
    assert (pixels[:20] == (0, 0, 255)).all()
    ink = np.flatnonzero((pixels[39:] < 200).any((0, 2)))
    assert ink.min() >= 0 and ink.max() < 50 and len(ink) > 20
    assert captioned(picture, []).size == (50, 24)


def test_classes_are_coloured_over_the_picture() -> None:
    picture = Image.new("L", (4, 4), 100)
    page = np.asarray(overlaid(picture, np.array([[0, 7], [7, 0]]), strength=1.0))
    assert page.shape == (4, 4, 3)
    assert tuple(page[0, 0]) == tuple(page[3, 3]) == class_colour(0)
    assert tuple(page[0, 3]) == class_colour(7)
    half = np.asarray(overlaid(picture, np.zeros((2, 2), int)))
    np.testing.assert_allclose(half[0, 0], np.array(class_colour(0)) / 2 + 50, atol=1)
    assert len({class_colour(index) for index in range(40)}) == 40


@pytest.mark.parametrize(("size", "expected"), [((10, 5), (40, 20)), ((5, 10), (15, 30)), ((1000, 1), (40, 1))])
def test_a_picture_keeps_its_proportions_within_its_place(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert scaled_within(Image.new("RGB", size), 40, 30).size == expected
