"""Searching is exact: the neighbours are those of a full scan in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import runtime.index
from runtime.errors import VectorIndexError
from runtime.index import METRICS, matrix, products, scan


def naive(stored: np.ndarray, query: np.ndarray, metric: str) -> np.ndarray:
    stored, query = stored.astype(np.float64), query.astype(np.float64)
    if metric == "euclidean":
        return -np.sqrt(((query - stored) ** 2).sum(axis=1))
    scores = (query * stored).sum(axis=1)
    if metric == "cosine":
        scores = scores / (np.sqrt((query**2).sum()) * np.sqrt((stored**2).sum(axis=1)))
    return scores


def check(index: runtime.index.VectorIndex, truth: dict[str, np.ndarray], queries: np.ndarray, k: int, **given) -> None:
    """`truth` is in the order of insertion, an upsert counting as a new one."""
    result = index.search(queries, k=k, **given)
    names = list(truth)
    stored = np.array(list(truth.values())).reshape(len(names), index.dim)
    assert result.scores.dtype == np.float32
    assert result.scores.shape == (len(queries), min(k, len(names)))
    for ids, scores, query in zip(result.ids, result.scores, queries, strict=True):
        wanted = naive(stored, query, index.metric)
        order = np.argsort(-wanted, kind="stable")[:k]
        assert ids == [names[position] for position in order]
        np.testing.assert_array_equal(scores, wanted[order].astype(np.float32))


@pytest.fixture(params=["onnxruntime", "numpy"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "numpy":
        monkeypatch.setattr(products, "_session", lambda: None)
    else:
        pytest.importorskip("onnxruntime")


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_exact_in_several_blocks(metric: str, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_MANY_ROWS", 300)
    monkeypatch.setattr(scan, "_MANY_QUERIES", 7)
    monkeypatch.setattr(scan, "_FEW_ELEMENTS", 250 * 12)
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(1500, 12)).astype(dtype)
    truth = {str(position): vector for position, vector in enumerate(vectors)}
    queries = rng.normal(size=(20, 12))
    with runtime.index.open(tmp_path / "index", dim=12, metric=metric, dtype=dtype) as index:
        index.add(list(truth), vectors)
        check(index, truth, queries, 10)
        check(index, truth, queries[:3], 10)
        check(index, truth, queries, 2000)
        gone = [str(position) for position in range(0, 1500, 7)]
        assert index.delete(gone) == len(gone)
        for name in gone:
            del truth[name]
        check(index, truth, queries, 10)
        check(index, truth, queries[:3], 10)


small = st.integers(-3, 3)  # few different values: many equal vectors and equal scores, all exact in float64


@settings(max_examples=40, deadline=None)
@given(data=st.data(), metric=st.sampled_from(METRICS), dim=st.integers(1, 3), few=st.booleans())
def test_equals_a_naive_scan_through_any_history(
    data: st.DataObject, metric: str, dim: int, few: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # cosine scores of vectors along one axis of whole length are exact too
    vector = st.lists(small, min_size=dim, max_size=dim)
    if metric == "cosine":
        vector = st.builds(
            lambda axis, size: [size if place == axis else 0 for place in range(dim)],
            st.integers(0, dim - 1),
            st.sampled_from([-4, -2, -1, 1, 2, 4]),
        )
    folder = tmp_path_factory.mktemp("history") / "index"
    truth: dict[str, np.ndarray] = {}
    kept: dict[str, dict[str, int]] = {}
    index = runtime.index.open(folder, dim=dim, metric=metric)
    for _ in range(data.draw(st.integers(1, 6))):
        step = data.draw(st.sampled_from(["add", "add", "delete", "reopen", "search"]))
        if step == "add":
            names = data.draw(st.lists(st.integers(0, 40).map(str), unique=True, max_size=30))
            rows = [data.draw(vector) for _ in names]
            facts = [{"group": int(name) % 3} for name in names]
            index.add(names, np.array(rows, np.float64).reshape(len(names), dim), facts)
            for name, row, fact in zip(names, rows, facts, strict=True):
                truth.pop(name, None)
                truth[name], kept[name] = np.array(row), fact
        elif step == "delete":
            names = data.draw(st.lists(st.integers(0, 40).map(str), max_size=30))
            assert index.delete(names) == len(set(names) & set(truth))
            for name in names:
                truth.pop(name, None)
        elif step == "reopen":
            index.close()
            index = runtime.index.open(folder)
        queries = np.array([data.draw(vector) for _ in range(2 if few else 9)], np.float64)
        k = data.draw(st.integers(1, 50))
        check(index, truth, queries, k)
        groups = data.draw(st.lists(st.integers(0, 2), max_size=2))
        chosen = {name: row for name, row in truth.items() if kept[name]["group"] in groups}
        check(index, chosen, queries, k, where={"group": groups})
        assert len(index) == len(truth)
    names = list(truth)
    vectors, metadata = index.get(names)
    np.testing.assert_array_equal(vectors, np.array(list(truth.values())).reshape(len(names), dim))
    assert metadata == index.metadata(names) == [kept[name] for name in names]
    index.close()


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("queries", [3, 12])
def test_more_equal_rows_than_candidates(metric: str, queries: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    kinds = rng.normal(size=(3, 16)).astype(np.float32)
    vectors = kinds[rng.integers(0, 3, size=900)]
    truth = {str(position): vector for position, vector in enumerate(vectors)}
    with runtime.index.open(tmp_path / "index", dim=16, metric=metric) as index:
        index.add(list(truth), vectors)
        check(index, truth, kinds[rng.integers(0, 3, size=queries)], 20)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("queries", [3, 12])
@pytest.mark.parametrize(("offset", "size"), [(1e4, 1.0), (0.0, 1e-20), (0.0, 1e18), (0.0, 1e37), (0.0, 1e-39)])
def test_vectors_that_float32_products_cannot_order(
    metric: str, queries: int, offset: float, size: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "_margin", lambda wanted: 1)  # so that every wrong order in float32 would show
    rng = np.random.default_rng(3)
    vectors = ((rng.normal(size=(400, 8)) + offset) * size).astype(np.float32)
    asked = ((rng.normal(size=(queries, 8)) + offset) * size).astype(np.float32)
    with runtime.index.open(tmp_path / "index", dim=8, metric=metric) as index:
        index.add([str(position) for position in range(400)], vectors)
        result = index.search(asked, k=15)
    for ids, query in zip(result.ids, asked, strict=True):
        wanted = naive(vectors, query, metric)
        order = np.argsort(-wanted, kind="stable")[:15]
        assert ids == [str(position) for position in order]


def test_rows_in_memory_and_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "_TAIL_BYTES", 40 * 6 * 4)
    rng = np.random.default_rng(4)
    truth: dict[str, np.ndarray] = {}
    with runtime.index.open(tmp_path / "index", dim=6, metric="dot") as index:
        for step in range(12):
            rows = rng.normal(size=(11, 6)).astype(np.float32)
            names = [f"{step}-{row}" for row in range(11)]
            index.add(names, rows)
            truth.update(zip(names, rows, strict=True))
            check(index, truth, rng.normal(size=(10, 6)), 5)
            np.testing.assert_array_equal(index.get(names[::-1])[0], rows[::-1])


def test_one_query_gives_flat_results(tmp_path: Path) -> None:
    with runtime.index.open(tmp_path / "index", dim=2, metric="euclidean") as index:
        assert index.search([1.0, 2.0]).ids == []
        assert index.search(np.zeros((3, 2))).ids == [[], [], []]
        index.add(["near", "far"], [[1, 2], [5, 5]])
        ids, scores = index.search([1, 2], k=5)
        assert ids == ["near", "far"]
        assert scores.tolist() == [0.0, -5.0]
        result = index.search(np.zeros((0, 2)), exact=False)
        assert result.ids == []
        assert result.scores.shape == (0, 2)


@pytest.mark.parametrize(
    ("queries", "k", "words"),
    [
        ([1.0, 2.0, 3.0], 1, ["(3,)", "(Q, 2)"]),
        ([[1.0, 2.0], [np.nan, 0.0]], 1, ["query 1", "NaN"]),
        ([1e39, 0.0], 1, ["the query", "too large"]),
        ([[0.0, 0.0]], 1, ["query 0", "zero"]),
        (["a", "b"], 1, ["dtype"]),
        ([[1.0], [1.0, 2.0]], 1, ["not an array"]),
        ([1.0, 2.0], 0, ["k is 0"]),
        ([1.0, 2.0], 2.0, ["k is 2.0"]),
    ],
)
def test_refused_searches(queries: object, k: int, words: list[str], tmp_path: Path) -> None:
    with runtime.index.open(tmp_path / "index", dim=2) as index:
        index.add(["a"], [[1.0, 1.0]])
        with pytest.raises(VectorIndexError) as error:
            index.search(queries, k=k)  # type: ignore[arg-type]
        assert all(word in str(error.value) for word in words), error.value
