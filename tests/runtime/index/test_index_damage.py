"""Altered bytes in any file of an index: the answers are right and the damage is said, or the index is refused."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runtime.index
from runtime.errors import VectorIndexError
from runtime.index import VectorIndexWarning, connection, store

VECTORS = np.random.default_rng(0).standard_normal((300, 7)).astype(np.float32)
QUERIES = VECTORS[[3, 77, 150, 299]] + 0.01
V1 = Path(__file__).parent / "version_1.index"


@pytest.fixture(scope="module", params=[("float32", "cosine"), ("float16", "euclidean")], ids=str)
def good(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good") / "index"
    dtype, metric = request.param
    with runtime.index.open(folder, dim=7, dtype=dtype, metric=metric, space="s", attributes={"model": "m"}) as index:
        for start in range(0, 300, 60):
            rows = range(start, start + 60)
            facts = [{"row": row, "folder": f"f{row % 3}", "path": f"/a/{row}.png", "tags": [row]} for row in rows]
            index.add([f"photo {row}" for row in rows], VECTORS[start : start + 60], facts)
        index.delete([f"photo {row}" for row in range(20, 40)])
    return folder


def answers(folder: Path) -> list[Any]:
    with runtime.index.open(folder) as index:
        found: list[Any] = [index.dim, index.metric, index.space, index.attributes, len(index)]
        for where in (None, {"folder": "f1"}, {"row": {"<": 50}}, {"path": ["/a/7.png", "/a/250.png"]}):
            ids, scores = index.search(QUERIES, 400, where=where)
            found += [ids, scores.tobytes()]
        vectors, metadata = index.get([f"photo {row}" for row in range(40, 300, 7)])
        return [*found, vectors.tobytes(), metadata]


def writes(folder: Path) -> list[Any]:
    with runtime.index.open(folder) as index:
        index.add(["photo 5", "new"], QUERIES[:2], [{"row": 5}, {}])
        removed = index.delete(["photo 100", "photo 21"])
        ids, scores = index.search(QUERIES, 400)
        return [removed, len(index), ids, scores.tobytes()]


def spoilt(content: bytes, rng: random.Random) -> bytes:
    data, place = bytearray(content), rng.randrange(len(content))
    kind = rng.choice(["bit", "bit", "bit", "byte", "zeros", "noise", "cut", "longer", "swapped"])
    length = rng.choice([4, 28, 64, 512, 4096])
    if kind == "bit":
        data[place] ^= 1 << rng.randrange(8)
    elif kind == "byte":
        data[place] = rng.randrange(256)
    elif kind == "zeros":
        data[place : place + length] = bytes(len(data[place : place + length]))
    elif kind == "noise":
        data[place : place + length] = rng.randbytes(len(data[place : place + length]))
    elif kind == "cut":
        del data[place:]
    elif kind == "longer":
        data += rng.randbytes(length)
    else:
        other = rng.randrange(len(data))
        one, two = data[place : place + length], data[other : other + length]
        data[place : place + len(two)], data[other : other + len(one)] = two, one
    return bytes(data)


@pytest.mark.parametrize("name", ["index.sqlite", "matrix.f32", "matrix.sums"])
@pytest.mark.parametrize("ask", [answers, writes])
def test_no_altered_byte_gives_another_answer(
    ask: Callable[[Path], list[Any]], name: str, good: Path, tmp_path: Path
) -> None:
    shutil.copytree(good, tmp_path / "whole")
    expected = ask(tmp_path / "whole")
    rng = random.Random(f"{name} {ask.__name__}")
    refused = said = 0
    for number in range(40):
        folder = tmp_path / str(number)
        shutil.copytree(good, folder)
        (folder / name).write_bytes(spoilt((good / name).read_bytes(), rng))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                assert ask(folder) == expected
            except VectorIndexError:
                refused += 1
        assert {one.category for one in caught} <= {VectorIndexWarning}
        said += bool(caught)
        shutil.rmtree(folder)
    assert refused if name == "index.sqlite" else said and not refused


@pytest.mark.parametrize("bit", [0, 12, 22, 23, 29, 30, 31])
def test_one_bit_of_one_row(bit: int, good: Path, tmp_path: Path) -> None:
    shutil.copytree(good, tmp_path / "index")
    expected = answers(tmp_path / "index")
    file = tmp_path / "index" / "matrix.f32"
    data = bytearray(file.read_bytes())
    data[4096 + 28 * 170 + 8 + bit // 8] ^= 1 << bit % 8
    file.write_bytes(data)
    with pytest.warns(VectorIndexWarning, match="matrix.f32 was damaged"):
        assert answers(tmp_path / "index") == expected
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert answers(tmp_path / "index") == expected  # it was made anew


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_a_row_that_is_not_finite(value: float, good: Path, tmp_path: Path) -> None:
    shutil.copytree(good, tmp_path / "index")
    expected = answers(tmp_path / "index")
    with open(tmp_path / "index" / "matrix.f32", "r+b") as file:
        file.seek(4096 + 28 * 60)
        file.write(np.full(7, value, "<f4").tobytes())
    with pytest.warns(VectorIndexWarning):
        assert answers(tmp_path / "index") == expected


@pytest.mark.parametrize("value", [np.nan, np.inf, 3.0])
def test_vectors_that_the_store_itself_holds_wrongly(value: float, tmp_path: Path) -> None:
    """With checksums that fit, as a stranger may make them."""
    with runtime.index.open(tmp_path / "index", dim=7) as index:
        index.add([str(row) for row in range(300)], VECTORS)
    (tmp_path / "index" / "matrix.f32").unlink()
    wrong = VECTORS.copy()
    wrong[5] = value
    with sqlite3.connect(tmp_path / "index" / "index.sqlite") as raw:
        (norms,) = raw.execute("SELECT norms FROM blocks").fetchone()
        checksum = store._checksum(np.frombuffer(norms), wrong.tobytes())
        raw.execute("UPDATE blocks SET vectors = ?, checksum = ?", (wrong.tobytes(), checksum))
    raw.close()
    with (
        runtime.index.open(tmp_path / "index") as index,
        pytest.raises(VectorIndexError, match=r"'0', '1', '2', \.\.\."),
    ):
        index.search(QUERIES)


def test_a_matrix_in_the_other_byte_order(good: Path, tmp_path: Path) -> None:
    shutil.copytree(good, tmp_path / "index")
    expected = answers(tmp_path / "index")
    file = tmp_path / "index" / "matrix.f32"
    data = file.read_bytes()
    file.write_bytes(data[:4096] + np.frombuffer(data[4096:], "<f4").byteswap().tobytes())
    with pytest.warns(VectorIndexWarning):
        assert answers(tmp_path / "index") == expected


def test_the_matrix_of_another_generation_or_index(good: Path, tmp_path: Path) -> None:
    for number in range(2):
        shutil.copytree(good, tmp_path / str(number))
    with runtime.index.open(tmp_path / "1") as index:
        index.delete([f"photo {row}" for row in range(60, 300)])  # compacted: other places
        index.add(["a"], QUERIES[:1])
    expected = [answers_of_search(tmp_path / str(number)) for number in range(2)]
    for name in ("matrix.f32", "matrix.sums"):
        for one, other in ((0, 1), (1, 0)):
            shutil.rmtree(tmp_path / "mixed", ignore_errors=True)
            shutil.copytree(tmp_path / str(one), tmp_path / "mixed")
            shutil.copy(tmp_path / str(other) / name, tmp_path / "mixed" / name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", VectorIndexWarning)
                assert answers_of_search(tmp_path / "mixed") == expected[one]


def answers_of_search(folder: Path) -> list[Any]:
    with runtime.index.open(folder) as index:
        return [index.search(QUERIES, 400).ids, len(index)]


def test_an_index_of_version_0_3_opens_and_gains_checksums(tmp_path: Path) -> None:
    shutil.copytree(V1, tmp_path / "index")
    with runtime.index.open(tmp_path / "index") as index:
        assert (len(index), index.attributes) == (39, {"model": "m.onnx"})
        assert index.search(VECTORS[4, :5], 1, where={"folder": "1"}).ids == ["id 4"]
        assert index.metadata(["id 5"]) == [{"row": 5, "folder": "2", "tags": ["a"]}]
        index.add(["id 3", "id 5"], VECTORS[:2, :5], [{"folder": "1"}, {}])
        index.delete(["id 7"])
        assert len(index.search(VECTORS[0, :5], 100, where={"folder": ["1", "2"]}).ids) == 25
    assert (tmp_path / "index" / "matrix.sums").exists()
    raw = sqlite3.connect(tmp_path / "index" / "index.sqlite")
    assert raw.execute("SELECT version, (SELECT count(*) FROM item_sums) FROM info").fetchone() == (2, 39)
    raw.close()


def test_an_index_of_version_0_3_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(V1, tmp_path / "index")
    monkeypatch.setattr(connection.os, "access", lambda path, mode: False)
    with runtime.index.open(tmp_path / "index") as index:
        assert index.search(VECTORS[4, :5], 1, where={"folder": "1"}).ids == ["id 4"]
        with pytest.raises(VectorIndexError, match="cannot be read or written"):
            index.delete(["id 1"])


ENDLESS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r)"


@pytest.mark.parametrize(
    "statements",
    [
        f"DROP TABLE fields; CREATE VIEW fields AS {ENDLESS} SELECT 'x' AS name, 'text' AS kind, n AS value, n AS place FROM r",
        f"DROP TABLE items; CREATE VIEW items AS {ENDLESS} SELECT n AS place, 'x' AS id, '{{}}' AS metadata FROM r",
        "DROP TABLE info; CREATE VIEW info AS SELECT 1 AS one, 2 AS version, 7 AS dim",
        f"CREATE VIEW more AS {ENDLESS} SELECT n FROM r",
        "CREATE TRIGGER t AFTER INSERT ON items BEGIN DELETE FROM items; END",
        "CREATE TABLE more (x)",
        "CREATE INDEX more ON items (metadata)",
        "CREATE VIRTUAL TABLE more USING fts5(x)",
        "ALTER TABLE items ADD COLUMN more TEXT DEFAULT 'x'",
        "ALTER TABLE dead RENAME COLUMN number TO n",
        "DROP TABLE sums",
        "DROP TABLE item_sums",
        "DROP TABLE dead",
    ],
)
def test_a_schema_that_is_not_ours(statements: str, good: Path, tmp_path: Path) -> None:
    shutil.copytree(good, tmp_path / "index")
    raw = sqlite3.connect(tmp_path / "index" / "index.sqlite")
    try:
        raw.executescript(statements)
    except sqlite3.OperationalError as error:
        if "no such module" not in str(error):
            raise
        pytest.skip(str(error))  # an SQLite built without full-text search
    raw.close()
    start = time.monotonic()
    with pytest.raises(VectorIndexError):
        answers(tmp_path / "index")
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("limit", [200_000, None])
def test_a_query_without_end_is_interrupted(
    limit: int | None, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(good, tmp_path / "index")
    own = store.Store(tmp_path / "index", None)
    if limit is None:  # as if Ctrl-C were pressed meanwhile

        def interrupt(self: connection.QueryLimit) -> bool:
            raise KeyboardInterrupt

        monkeypatch.setattr(connection.QueryLimit, "_count", interrupt)
        own._limit = connection.QueryLimit(own._connection)
    else:
        monkeypatch.setattr(connection, "_MOST_STEPS", limit)
    with pytest.raises(VectorIndexError if limit else KeyboardInterrupt), own.reading():
        own._run(f"{ENDLESS} SELECT max(n) FROM r").fetchone()
    own.close()


@pytest.mark.skipif(not hasattr(connection.os, "mkfifo"), reason="no pipes on this system")
@pytest.mark.parametrize(
    "name",
    ["matrix.f32", "matrix.sums", "index.sqlite", "index.sqlite-wal", "index.sqlite-shm", "index.sqlite-journal"],
)
def test_a_pipe_in_the_folder(name: str, good: Path, tmp_path: Path) -> None:
    shutil.copytree(good, tmp_path / "index")
    expected = answers(tmp_path / "index")
    (tmp_path / "index" / name).unlink(missing_ok=True)
    connection.os.mkfifo(tmp_path / "index" / name)
    if name.startswith("index.sqlite"):
        with pytest.raises(VectorIndexError, match="is not a file"):
            answers(tmp_path / "index")
    else:
        assert answers(tmp_path / "index") == expected
