"""Embeddings on paper."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from runtime.errors import InputError
from toolkit.data.readers.digits import digit_pictures
from toolkit.explain.embeddings import embedding_png, principal_components
from toolkit.explain.figures import categories


def opened(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def test_the_components_are_those_of_the_singular_value_decomposition() -> None:
    pictures, _ = digit_pictures()
    rows = pictures[:300].reshape(300, 64).astype(np.float64)
    points, shares = principal_components(rows)
    left, lengths, _ = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(points), np.abs(left[:, :2] * lengths[:2]), rtol=1e-3, atol=0.5)
    np.testing.assert_allclose(shares, lengths[:2] ** 2 / (lengths**2).sum(), rtol=1e-3)


def test_points_on_a_line_have_one_component() -> None:
    points, shares = principal_components(np.array([[0.0, 0], [3, 4], [6, 8]]))
    np.testing.assert_allclose(points, [[-5, 0], [0, 0], [5, 0]], atol=1e-4)
    np.testing.assert_allclose(shares, [1, 0], atol=1e-5)
    points, shares = principal_components(np.array([[1.0], [3.0]]))
    np.testing.assert_allclose(points, [[-1, 0], [1, 0]], atol=1e-6)
    same, none = principal_components(np.ones((4, 3)))
    assert not same.any()
    assert not none.any()


def test_the_result_is_the_same_each_time_and_the_random_state_stays() -> None:
    rows = torch.rand(50, 200)
    state = torch.get_rng_state()
    first = principal_components(rows)
    np.testing.assert_array_equal(first[0], principal_components(rows)[0])
    assert torch.equal(torch.get_rng_state(), state)


def test_each_class_has_its_colour_in_the_picture() -> None:
    random = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], 40)
    rows = random.normal(size=(120, 16)) + 20 * np.eye(16)[classes]
    pixels = opened(embedding_png(rows, classes, ["$a$", "猫", "c" * 99], title="$Title$")).astype(int)
    assert pixels.shape[0] > 500
    for color, _ in categories(3):
        wanted = [int(color[start : start + 2], 16) for start in (1, 3, 5)]
        assert (np.abs(pixels - wanted).sum(2) < 90).sum() > 100


@pytest.mark.parametrize("count", [1, 2, 40])
def test_any_number_of_classes_is_drawn(count: int) -> None:
    rows = np.random.default_rng(0).normal(size=(max(2, count), 3))
    assert opened(embedding_png(rows, np.arange(max(2, count)) % count)).size
    assert opened(embedding_png(rows)).size


def test_no_two_of_many_classes_look_alike() -> None:
    assert len(set(categories(64))) == 64


@pytest.mark.parametrize(
    "rows", [np.ones((1, 3)), np.ones(3), np.ones((2, 2, 2)), np.array([[1.0, np.nan], [0, 0]]), np.ones((3, 0))]
)
def test_what_is_no_matrix_of_embeddings_is_refused(rows: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"\(N, D\) finite numbers"):
        principal_components(rows)


def test_one_class_each_is_expected() -> None:
    with pytest.raises(InputError, match="one each"):
        embedding_png(np.eye(3), [0, 1])
