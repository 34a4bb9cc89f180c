"""Arrays and NPZ files: what is taken as pictures, what as numbers, and what is refused."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.card import ArrayInput, ImageInput
from runtime.errors import InputError
from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import load_arrays
from toolkit.data.readers.npz import load_npz

RANDOM = np.random.default_rng(0)


def inputs(data: Dataset) -> np.ndarray:
    return data.inputs.take(torch.arange(len(data))).numpy()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 8, 9), (1, 8, 9)),
        ((5, 8, 9, 1), (1, 8, 9)),
        ((5, 8, 9, 3), (3, 8, 9)),
        ((5, 1, 8, 9), (1, 8, 9)),
        ((5, 3, 8, 9), (3, 8, 9)),
    ],
)
def test_uint8_pictures_of_any_layout_are_scaled_and_the_card_says_so(
    shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    x = RANDOM.integers(0, 256, shape, np.uint8)
    data = load_arrays(x, range(5))
    assert isinstance(data.card, ImageInput)
    assert data.shape == expected
    assert data.card.color == ("RGB" if expected[0] == 3 else "grayscale")
    channels_first = x.reshape(5, *expected) if x.ndim == 3 or shape[1:] == expected else x.transpose(0, 3, 1, 2)
    np.testing.assert_allclose(inputs(data), channels_first / 255, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
def test_other_numbers_are_taken_as_they_are(dtype: Any) -> None:
    x = (RANDOM.random((5, 8, 8)) * 2).astype(dtype)
    data = load_arrays(x, [0, 1, 0, 1, 2])
    assert data.card == ArrayInput("input", (8, 8))
    np.testing.assert_array_equal(inputs(data), x.astype(np.float32))


def test_float_and_uint8_pictures_give_the_same_numbers_when_the_floats_are_scaled() -> None:
    x = RANDOM.integers(0, 256, (6, 3, 5, 5), np.uint8)
    pictures, floats = load_arrays(x, range(6)), load_arrays(x.astype(np.float32) / np.float32(255), range(6))
    np.testing.assert_allclose(inputs(pictures), inputs(floats), rtol=1e-6)
    assert pictures.card.kind == "image"
    assert floats.card.kind == "array"


@pytest.mark.parametrize(
    ("labels", "indices", "names"),
    [
        ([3, 1, 3, 2], [2, 0, 2, 1], ("1", "2", "3")),
        ([10, 9, 2, 9], [2, 1, 0, 1], ("2", "9", "10")),
        ([1.0, 0.0, 1.0, 0.0], [1, 0, 1, 0], ("0", "1")),
        ([True, False, True, False], [1, 0, 1, 0], ("0", "1")),
        (["b", "a", "c", "a"], [1, 0, 2, 0], ("a", "b", "c")),
        (["10", "9", "2", "9"], [2, 1, 0, 1], ("2", "9", "10")),
        ([[2], [0], [1], [0]], [2, 0, 1, 0], ("0", "1", "2")),
        ([[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0]], [2, 0, 1, 0], ("0", "1", "2")),
    ],
)
def test_labels_come_as_numbers_names_columns_or_one_hot(
    labels: Any, indices: list[int], names: tuple[str, ...]
) -> None:
    data = load_arrays(np.zeros((4, 2)), labels)
    assert data.targets.tolist() == indices
    assert data.targets.dtype == np.int64
    assert data.labels == names


def test_names_for_indices_keep_their_place_also_where_a_class_has_no_example() -> None:
    data = load_arrays(np.zeros((3, 2)), [0, 3, 3], labels=["a", "b", "c", "d"])
    assert data.targets.tolist() == [0, 3, 3]
    assert data.labels == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("y", "shape", "names"),
    [([1.0, 2.0, 3.0], (3, 1), ("target",)), ([[1, 2], [3, 4], [5, 6]], (3, 2), ("target 0", "target 1"))],
)
def test_values_for_a_regression_are_rows(y: Any, shape: tuple[int, ...], names: tuple[str, ...]) -> None:
    data = load_arrays(np.zeros((3, 2)), y, task="regression")
    assert data.targets.shape == shape
    assert data.targets.dtype == np.float32
    assert data.labels == names


@pytest.mark.parametrize(
    ("x", "y", "arguments", "words"),
    [
        (np.zeros((0, 3)), [], {}, "The inputs have the shape (0, 3); (N, ...) with at least one row"),
        (np.zeros(4), range(4), {}, "The inputs have the shape (4,)"),
        (np.zeros((4, 2)), range(3), {}, "There are 4 inputs, but 3 labels"),
        (np.zeros((4, 2)), 3, {}, "The labels are 3; one for each of the 4 inputs is expected."),
        (np.zeros((4, 2)), None, {}, "The labels are None"),
        ([[1, 2], [3]], [0, 1], {}, "are ragged"),
        ([["a", "b"]], [0], {}, "Load them with load_texts"),
        ([[1.0, np.nan]], [0], {}, "The inputs hold nan at position (0, 1)"),
        ([[1.0, 2.0], [np.inf, 0]], [0, 1], {}, "The inputs hold inf at position (1, 0)"),
        (np.zeros((2, 2)), [0.5, 1], {}, "The label 0.5 is not a whole number"),
        (np.zeros((2, 2)), [np.nan, 1], {}, "The label of row 1 is nan"),
        (np.zeros((2, 2)), np.array([None, "a"], object), {}, "The label of row 1 is None"),
        (np.zeros((2, 2)), np.zeros((2, 3)), {}, "(N,) class labels or one-hot rows (N, K) are expected"),
        (np.zeros((2, 2)), np.zeros((2, 3, 1)), {}, "The labels have the shape (2, 3, 1)"),
        (
            np.zeros((2, 2)),
            ["x", "y"],
            {"labels": ["a", "b", "c"]},
            "3 class names were given (a, b, c); the data has 2",
        ),
        (
            np.zeros((2, 2)),
            np.eye(2),
            {"labels": ["a", "b", "c"]},
            "3 class names were given; the one-hot labels have 2",
        ),
        (np.zeros((2, 2)), ["x", "y"], {"task": "regression"}, "cannot be read as numbers"),
        (
            np.zeros((2, 2)),
            [1, np.nan],
            {"task": "regression"},
            "The target of row 2 is nan; finite numbers of float32",
        ),
        (
            np.zeros((2, 2)),
            np.ones((2, 2)),
            {"task": "regression", "labels": ["a"]},
            "1 names were given for 2 targets",
        ),
    ],
)
def test_what_cannot_be_used_is_named(x: Any, y: Any, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        load_arrays(x, y, **arguments)
    assert words in str(caught.value)


def test_an_npz_file_holds_data_and_label(tmp_path: Path) -> None:
    x, y = RANDOM.random((6, 4)), np.array(["b", "a"] * 3)
    np.savez_compressed(tmp_path / "a.npz", data=x, label=y)
    data = load_npz(tmp_path / "a.npz")
    np.testing.assert_array_equal(inputs(data), x.astype(np.float32))
    assert data.labels == ("a", "b")
    assert data.source == str(tmp_path / "a.npz")


def test_pickled_objects_are_refused_and_not_run(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "harm",)

    np.savez(tmp_path / "a.npz", data=np.array([Harmful()], object), label=np.zeros(1))
    with pytest.raises(InputError, match=r"holds pickled Python objects, which could run code when opened"):
        load_npz(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(InputError):
        load_npz(tmp_path / "b.npz")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("missing", ["data", "label"])
def test_an_npz_file_without_an_array_says_which(tmp_path: Path, missing: str) -> None:
    arrays = {name: np.zeros((3, 2)) for name in ("data", "label") if name != missing}
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"lacks the array '{missing}'; it has {next(iter(arrays))}"):
        load_npz(tmp_path / "a.npz")


def test_other_files_are_no_npz_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("data", b"text")
    (tmp_path / "c.npz").write_bytes(b"")
    for name in ("a.npz", "b.npz", "c.npz", "d.npz"):
        with pytest.raises(InputError, match=name):
            load_npz(tmp_path / name)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4), length=st.floats(0.3, 1)
)
def test_a_damaged_npz_file_is_read_whole_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[float, int]], length: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    np.savez_compressed(path, data=np.arange(40.0).reshape(10, 4), label=np.arange(10) % 3)
    content = bytearray(path.read_bytes())
    for position, value in changes:
        content[int(position * (len(content) - 1))] = value
    path.write_bytes(content[: int(length * len(content))])
    try:
        assert len(load_npz(path)) == 10
    except InputError as error:
        assert "damaged.npz" in str(error) or "label" in str(error)


def test_float_pictures_with_their_channels_last_get_a_hint() -> None:
    with pytest.warns(UserWarning, match=r"layers take them first, \(2, 3, 8, 9\): give x\.transpose\(0, 3, 1, 2\)"):
        load_arrays(np.zeros((2, 8, 9, 3), np.float32), [0, 1])


@pytest.mark.parametrize("shape", [(2, 3, 8, 9), (2, 8, 9, 16), (2, 4, 9, 3), (2, 8, 3)])
def test_other_float_arrays_get_none(shape: tuple[int, ...]) -> None:
    load_arrays(np.zeros(shape, np.float32), [0, 1])
