"""Similarity measures, against SciPy and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial.distance import cdist

from runtime.errors import InputError
from runtime.similarity import DISTANCES, MEASURES, get_similarity, similarity_matrix, similarity_rows, top_k
from runtime.similarity import measures as similarity

SCIPY = {"euclidean": "euclidean", "manhattan": "cityblock", "chebyshev": "chebyshev"}


def reference(a: np.ndarray, b: np.ndarray, measure: str) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    if measure == "dot":
        return np.einsum("nd,md->nm", a, b)
    if measure == "pearson":
        return np.corrcoef(a, b)[: len(a), len(a) :]
    if measure == "cosine":
        return 1.0 - cdist(a, b, "cosine")
    return cdist(a, b, SCIPY[measure])


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 1e-6), (np.float64, 1e-12)])
def test_agrees_with_scipy(measure: str, dtype: type, rtol: float) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(37, 12)).astype(dtype), rng.normal(size=(23, 12)).astype(dtype)
    wanted = reference(a, b, measure)
    found = similarity_matrix(a, b, measure)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(similarity_rows(a[:23], b, measure), np.diagonal(wanted), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("measure", MEASURES)
def test_blocks_change_nothing(measure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(19, 5)), rng.normal(size=(11, 5))
    whole, rows = similarity_matrix(a, b, measure), similarity_rows(a[:11], b, measure)
    monkeypatch.setattr(similarity, "_BLOCK_ELEMENTS", 17)
    np.testing.assert_allclose(similarity_matrix(a, b, measure), whole, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(similarity_rows(a[:11], b, measure), rows)


@settings(max_examples=60, deadline=None)
@given(
    measure=st.sampled_from(MEASURES),
    rows=st.one_of(st.none(), st.integers(0, 4)),
    others=st.one_of(st.none(), st.integers(0, 4)),
    dim=st.integers(2, 5),
    narrow=st.booleans(),
)
def test_shapes_and_dtypes(measure: str, rows: int | None, others: int | None, dim: int, narrow: bool) -> None:
    rng = np.random.default_rng(0)
    left, right = (() if rows is None else (rows,)), (() if others is None else (others,))
    a = rng.normal(size=(*left, dim)).astype(np.float32)
    b = rng.normal(size=(*right, dim)).astype(np.float32 if narrow else np.float64)
    found = similarity_matrix(a, b, measure)
    assert np.shape(found) == left + right
    assert found.dtype == (np.float32 if narrow else np.float64)
    if rows is None or others is None or rows == others:
        assert np.shape(similarity_rows(a, b, measure)) == (left or right)


def test_lists_and_integers() -> None:
    assert similarity_matrix([3, 4], [0, 0], "euclidean") == 5.0
    assert similarity_matrix([[1, 2], [3, 4]], [1, 1], "dot").tolist() == [3.0, 7.0]
    assert similarity_rows([[1, 2], [3, 4]], [[1, 1], [0, 1]], "manhattan").tolist() == [1.0, 6.0]


def test_euclidean_keeps_its_digits_for_close_vectors() -> None:
    rng = np.random.default_rng(5)
    a = (rng.normal(size=(50, 64)) + 1000).astype(np.float32)
    b = a + rng.normal(scale=1e-3, size=a.shape).astype(np.float32)
    np.testing.assert_allclose(
        similarity_matrix(a, b, "euclidean"), cdist(a.astype(np.float64), b.astype(np.float64)), rtol=1e-6
    )
    assert np.diagonal(similarity_matrix(a, a, "euclidean")).max() == 0.0


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e300])
def test_extreme_sizes(size: float) -> None:
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(4, 6)), rng.normal(size=(5, 6))
    for measure in set(MEASURES) - {"dot"}:
        scale = size if measure in DISTANCES else 1.0
        np.testing.assert_allclose(
            similarity_matrix(a * size, b * size, measure), similarity_matrix(a, b, measure) * scale, rtol=1e-9
        )


def test_cosine_stays_within_one() -> None:
    a = np.random.default_rng(7).normal(size=(300, 7)).astype(np.float32)
    for measure in ("cosine", "pearson"):
        found = similarity_matrix(a, a, measure)
        assert np.abs(found).max() <= 1.0
        np.testing.assert_allclose(np.diagonal(found), 1.0, atol=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "measure", "words"),
    [
        ([[1, 2], [0, 0]], [1, 1], "cosine", ["row 1 of a", "zero"]),
        ([1, 2], [[3, 1], [2, 2]], "pearson", ["row 1 of b", "equal elements"]),
        ([1.0, np.nan], [[1, 1]], "dot", ["vector a", "NaN"]),
        ([[1, 1]], [[1, 1], [np.inf, 0]], "dot", ["row 1 of b", "infinity"]),
        ([[1, 1, 1]], [[1, 1]], "dot", ["(1, 3)", "(1, 2)"]),
        ([[1, 1]], [[1, 1]], "cosin", ["'cosin'", "Did you mean 'cosine'"]),
        ([["x"]], [[1]], "dot", ["a has dtype", "numbers"]),
        ([[1, 2], [3]], [[1, 1]], "dot", ["a is not an array"]),
        (np.zeros((1, 1, 2)), [[1, 1]], "dot", ["(1, 1, 2)", "(N, D)"]),
        ([], [[1]], "dot", ["a has shape (0,)"]),
    ],
)
def test_refusals(a: object, b: object, measure: str, words: list[str]) -> None:
    for compare in (similarity_matrix, similarity_rows, get_similarity):
        with pytest.raises(InputError) as error:
            compare(a, b, measure)  # type: ignore[arg-type, operator]
        assert all(word in str(error.value) for word in words), error.value


def test_rows_of_different_number() -> None:
    with pytest.raises(InputError, match=r"a has 2 rows and b has 3.*similarity_matrix"):
        similarity_rows(np.ones((2, 2)), np.ones((3, 2)))


def test_get_similarity() -> None:
    a, b = [[1.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [1.0, 1.0], [0.0, -1.0]]
    np.testing.assert_array_equal(get_similarity(a, b), similarity_matrix(a, b, "cosine"))
    for method in MEASURES[:5]:
        parts = get_similarity(a, b, method, use_softmax=True)
        np.testing.assert_allclose(parts.sum(axis=-1), 1.0)
        scores = similarity_matrix(a, b, method)
        closest = scores.argmin(axis=-1) if method in DISTANCES else scores.argmax(axis=-1)
        np.testing.assert_array_equal(parts.argmax(axis=-1), closest)
    assert get_similarity(a, np.zeros((0, 2)), use_softmax=True).shape == (2, 0)
    with pytest.raises(InputError, match="always 1"):
        get_similarity(a, b[0], use_softmax=True)


@settings(max_examples=150, deadline=None)
@given(
    scores=arrays.arrays(
        st.sampled_from([np.int8, np.uint8, np.float32, np.bool_]),
        arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9),
        elements=st.integers(0, 1),
    ),
    k=st.integers(1, 12),
    largest=st.booleans(),
)
def test_top_k_is_a_stable_sort(scores: np.ndarray, k: int, largest: bool) -> None:
    indices, values = top_k(scores, k, largest)
    key = scores.astype(np.float64) * (-1 if largest else 1)
    wanted = np.argsort(key, axis=-1, kind="stable")[..., :k]
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_array_equal(values, np.take_along_axis(scores, wanted, axis=-1))
    assert values.dtype == scores.dtype


@pytest.mark.parametrize(
    ("scores", "k", "word"),
    [([1.0, np.nan], 1, "NaN"), (3.0, 1, "single number"), ([1.0], 0, "k is 0"), ([1.0], True, "k is True")],
)
def test_top_k_refusals(scores: object, k: int, word: str) -> None:
    with pytest.raises(InputError, match=word):
        top_k(scores, k)  # type: ignore[arg-type]
