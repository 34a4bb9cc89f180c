"""Labels and values become the targets of a task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from runtime.errors import InputError
from toolkit.data.targets import make_targets
from toolkit.tasks.class_indices import IGNORED


@given(arrays.arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=st.integers(0, 1)))
def test_several_ones_a_row_are_several_labels(rows: np.ndarray) -> None:
    for given_rows in (rows, rows.astype(bool), rows.astype(np.float64), rows.tolist()):
        found, names = make_targets(given_rows, "multilabel")
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, rows)
        assert names == tuple(map(str, range(rows.shape[1])))


def test_lists_of_names_are_several_labels() -> None:
    found, names = make_targets([["b", "a"], [], {"b"}], "multilabel")
    assert names == ("a", "b")
    assert found.tolist() == [[1, 1], [0, 0], [0, 1]]
    assert make_targets([["b"], []], "multilabel", ["c", "b"])[0].tolist() == [[0, 1], [0, 0]]


def test_the_task_decides_what_one_hot_rows_are() -> None:
    rows = np.eye(3)
    assert make_targets(rows, "classification")[0].tolist() == [0, 1, 2]
    assert make_targets(rows, "multilabel")[0].shape == (3, 3)
    assert make_targets(rows, "regression")[0].shape == (3, 3)


@pytest.mark.parametrize("shape", [(2, 5), (2, 3, 4)])
def test_a_class_at_each_position(shape: tuple[int, ...]) -> None:
    y = np.random.default_rng(0).integers(0, 4, shape)
    y[0, 0] = IGNORED
    found, names = make_targets(y, "dense")
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, y)
    assert names == tuple(map(str, range(int(y.max()) + 1)))
    assert make_targets(y, "dense", ["a", "b", "c", "d", "e"])[1] == ("a", "b", "c", "d", "e")


def test_rows_of_different_lengths_are_filled_up_with_what_counts_for_nothing() -> None:
    found, names = make_targets([[1, 0], np.array([2]), []], "dense")
    assert found.tolist() == [[1, 0], [2, IGNORED], [IGNORED, IGNORED]]
    assert names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("y", "task", "labels", "words"),
    [
        ([[1, 1, 0], [0, 1, 0]], "classification", None, "use the task 'multilabel'"),
        ([[0, 2]], "multilabel", None, "rows (N, K) of 0 and 1"),
        ([[0.5, 1]], "multilabel", None, "rows (N, K) of 0 and 1"),
        ([[[1]]], "multilabel", None, "of shape (1, 1, 1)"),
        ([[0, 1]], "multilabel", ["a"], "1 class names were given; the labels have 2 columns"),
        ([["a"], ["colour"]], "multilabel", ["a", "color"], "Row 2 has the label 'colour'. Did you mean 'color'?"),
        ([[0.5, 1]], "dense", None, "whole numbers (N, L) or (N, H, W)"),
        ([0, 1], "dense", None, "whole numbers (N, L) or (N, H, W)"),
        ([[0, 3], [1, 0]], "dense", ["a", "b"], "at position (0, 1) is 3; 0 to 1, or -100"),
        ([[0, -1]], "dense", None, "at position (0, 1) is -1"),
        ([[-100, -100]], "dense", None, "at least one class is expected"),
        ([[1], ["a", "b"]], "dense", None, "not whole numbers"),
        ([[1, 2], [3]], "regression", None, "are ragged"),
        ([1e39], "regression", None, "The target of row 1 is 1e+39; finite numbers of float32"),
        ([1], "embedding", None, "load_pairs or load_triplets"),
        ([1], "segmentation", None, "The task 'segmentation' was given"),
    ],
)
def test_what_does_not_fit_the_task_is_refused(y: Any, task: Any, labels: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        make_targets(y, task, labels)
    assert words in str(caught.value)


@pytest.mark.parametrize("given", [np.array([b"b", b"a"]), [b"b", b"a"], np.array([b"b", "a"], object)])
def test_names_in_bytes_are_names(given: Any) -> None:
    targets, names = make_targets(given, "classification", None)
    assert (targets.tolist(), names) == ([1, 0], ("a", "b"))


def test_several_names_in_bytes_are_names() -> None:
    targets, names = make_targets([[b"wet"], [b"cold", b"wet"]], "multilabel", None)
    assert (targets.tolist(), names) == ([[0, 1], [1, 1]], ("cold", "wet"))


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InputError, match="no text in UTF-8"):
        make_targets(np.array([b"\xff", b"a"]), "classification", None)
