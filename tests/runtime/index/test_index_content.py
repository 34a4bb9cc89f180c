"""What goes in and comes out: ids, vectors and metadata; what is refused; upserts, deletes and compaction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import runtime.index
from runtime.errors import VectorIndexError


def test_upsert_replaces_vector_and_metadata(tmp_path: Path) -> None:
    with runtime.index.open(tmp_path / "index", dim=2) as index:
        index.add(["a", "b"], [[1, 0], [0, 1]], [{"x": 1}, {"x": 2}])
        index.add(["b", "c"], [[1, 1], [0, 2]], [{"y": [1, {"z": None}]}, {}])
        assert len(index) == 3
        vectors, metadata = index.get(["c", "b", "a", "b"])
        assert vectors.tolist() == [[0, 2], [1, 1], [1, 0], [1, 1]]
        assert metadata == [{}, {"y": [1, {"z": None}]}, {"x": 1}, {"y": [1, {"z": None}]}]
        assert index.search([0, 1], where={"x": 2}).ids == []
        assert index.delete(["b", "b", "unknown"]) == 1
        with pytest.raises(VectorIndexError, match="no id 'b'"):
            index.get(["a", "b"])
        with pytest.raises(VectorIndexError, match="no id 'b'"):
            index.metadata(["b"])


def test_numpy_values_in_metadata_become_plain(tmp_path: Path) -> None:
    with runtime.index.open(tmp_path / "index", dim=2) as index:
        index.add(["a"], [[1, 0]], [{"n": np.int64(3), "f": np.float32(0.5), "b": np.bool_(True), "s": np.str_("t")}])
        assert index.metadata(["a"]) == [{"n": 3, "f": 0.5, "b": True, "s": "t"}]
        for where in ({"n": 3}, {"n": np.int8(3)}, {"f": 0.5}, {"b": True}, {"s": "t"}):
            assert index.search([1, 0], where=where).ids == ["a"]
        index.delete(["a"])
        index.add(["b"], [[1, 0]])
        assert index.search([1, 0], where={"n": 3}).ids == []


@pytest.mark.parametrize("name", ["'; DROP TABLE items; --", "ünï ☃ \U0001f600", " ", "a\0b", "x" * 10000, "%_[]"])
def test_any_text_is_an_id(name: str, tmp_path: Path) -> None:
    with runtime.index.open(tmp_path / "index", dim=2) as index:
        index.add([name, "other"], [[1, 0], [0, 1]], [{name: name}, {}])
        assert index.search([1, 0], k=1).ids == [name]
        assert index.search([0, 1], where={name: name}).ids == [name]
        assert index.metadata([name]) == [{name: name}]
        assert index.delete([name]) == 1


@pytest.mark.parametrize(
    ("ids", "vectors", "metadata", "words"),
    [
        (["a", "b"], [[1, 2]], None, ["(1, 2)", "(2, 2)"]),
        (["a"], [[1, 2, 3]], None, ["(1, 3)", "(1, 2)"]),
        (["a"], [1, 2], None, ["(2,)", "(1, 2)"]),
        (["a"], [["x", "y"]], None, ["dtype"]),
        (["a"], np.array([[1, None]], object), None, ["dtype object"]),
        (["a"], [[1j, 2]], None, ["complex"]),
        (["a", "b"], [[1, 2], [3]], None, ["not an array"]),
        (["ok", "bad"], [[1, 2], [np.nan, 1]], None, ["'bad'", "NaN"]),
        (["ok", "bad"], [[1, 2], [np.inf, 1]], None, ["'bad'", "infinity"]),
        (["ok", "bad"], [[1, 2], [1e39, 1]], None, ["'bad'", "too large for float32"]),
        (["ok", "bad"], [[1, 2], [0, 0]], None, ["'bad'", "zero"]),
        (["ok", "bad"], [[1, 2], [1e-60, 0]], None, ["'bad'", "zero"]),
        (["a", "a"], [[1, 2], [1, 2]], None, ["'a'", "twice"]),
        (["a", ""], [[1, 2], [1, 2]], None, ["ids[1]", "non-empty"]),
        (["a", 3], [[1, 2], [1, 2]], None, ["ids[1] is 3"]),
        (["\ud800"], [[1, 2]], None, ["UTF-8"]),
        ("ab", [[1, 2], [1, 2]], None, ["ids is 'ab'"]),
        (["a"], [[1, 2]], [], ["0 entries for 1"]),
        (["a"], [[1, 2]], {"x": 1}, ["one mapping for each"]),
        (["a"], [[1, 2]], ["x"], ["metadata of id 'a'"]),
        (["a"], [[1, 2]], [{1: 2}], ["field names"]),
        (["a"], [[1, 2]], [{"x": {1, 2}}], ["JSON"]),
        (["a"], [[1, 2]], [{"x": float("nan")}], ["JSON"]),
        (["a"], [[1, 2]], [{"x": np.float32("inf")}], ["JSON"]),
        (["a"], [[1, 2]], [{"x": 2**70}], ["64 bits"]),
        (["a"], [[1, 2]], [{"x": "\ud800"}], ["metadata of id 'a'"]),
    ],
)
def test_a_refused_add_changes_nothing(
    ids: object, vectors: object, metadata: object, words: list[str], tmp_path: Path
) -> None:
    with runtime.index.open(tmp_path / "index", dim=2) as index:
        index.add(["a", "b"], [[1, 1], [2, 1]], [{"x": 1}, {}])
        with pytest.raises(VectorIndexError) as error:
            index.add(ids, vectors, metadata)  # type: ignore[arg-type]
        assert all(word in str(error.value) for word in words), error.value
        assert len(index) == 2
        assert index.get(["a", "b"])[0].tolist() == [[1, 1], [2, 1]]
        assert index.search([1, 1], where={"x": 1}).ids == ["a"]


def test_float16_has_its_own_limits(tmp_path: Path) -> None:
    with runtime.index.open(tmp_path / "index", dim=2, dtype="float16") as index:
        with pytest.raises(VectorIndexError, match="too large for float16"):
            index.add(["a"], [[1e5, 0]])
        with pytest.raises(VectorIndexError, match="zero in float16"):
            index.add(["a"], [[1e-9, 0]])
        index.add(["a"], [[1 / 3, 0]])
        vectors, _ = index.get(["a"])
        assert vectors.dtype == np.float32
        assert vectors[0, 0] == np.float16(1 / 3)


def test_empty_calls(tmp_path: Path) -> None:
    with runtime.index.open(tmp_path / "index", dim=2) as index:
        index.add([], [])
        index.add([], np.empty((0, 2)), [])
        assert index.delete([]) == 0
        assert index.get([])[0].shape == (0, 2)
        assert len(index) == 0


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_compaction_gives_room_back(dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    file = tmp_path / "index" / "index.sqlite"
    with runtime.index.open(tmp_path / "index", dim=64, dtype=dtype, metric="dot") as index:
        names = [str(row) for row in range(9000)]
        vectors = rng.normal(size=(9000, 64)).astype(dtype)
        index.add(names, vectors, [{"row": row} for row in range(9000)])
        index.search(vectors[0])
        index.delete(names[:6000])
        assert len(index) == 3000
        assert index.search(vectors[7000], k=1, where={"row": {">=": 7000}}).ids == ["7000"]
        np.testing.assert_array_equal(index.get(names[6000:])[0], vectors[6000:].astype(np.float32))
        index.delete(names)
        assert len(index) == 0
        index.add(["a"], vectors[:1])
        assert index.search(vectors[0]).ids == ["a"]
    assert file.stat().st_size < 200_000
    assert (tmp_path / "index" / "matrix.f32").stat().st_size < 10_000


def test_many_upserts_of_one_id_stay_small(tmp_path: Path) -> None:
    with runtime.index.open(tmp_path / "index", dim=2, metric="dot") as index:
        for step in range(30):
            index.add(["a", "b"][: 1 + step % 2], np.full((1 + step % 2, 2), step), [{"step": step}] * (1 + step % 2))
            assert index.search([1, 1], where={"step": step}, k=1).scores.tolist() == [2 * step]
            assert len(index) == min(2, 1 + step)
