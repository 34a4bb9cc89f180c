"""Opening: what makes an index, what finds one, and what is refused."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import runtime.index
from runtime.errors import VectorIndexError
from runtime.index import VectorIndex, connection


def filled(folder: Path) -> Path:
    with runtime.index.open(folder, dim=3, space="s1") as index:
        index.add(
            [f"id {row}" for row in range(500)], np.eye(3)[np.arange(500) % 3], [{"row": row} for row in range(500)]
        )
        index.search([1.0, 0.0, 0.0])
    return folder


def test_keeps_what_it_was_made_with(tmp_path: Path) -> None:
    folder = tmp_path / "a b" / "ünïcode %20?#"
    facts = {"model": "net.onnx", "sizes": [1, 2]}
    with runtime.index.open(folder, dim=4, metric="dot", space="digest", dtype="float16", attributes=facts) as index:
        assert isinstance(index, VectorIndex)
    for given in (folder, str(folder), folder.as_uri()):
        with runtime.index.open(given, attributes={"ignored": 1}) as index:
            assert (index.dim, index.metric, index.space, index.attributes) == (4, "dot", "digest", facts)
            assert len(index) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["index.sqlite"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dim": 4}, ["dim=3", "dim=4"]),
        ({"metric": "dot"}, ["metric='cosine'", "metric='dot'"]),
        ({"space": "s2"}, ["space='s1'", "space='s2'"]),
        ({"dtype": "float16"}, ["dtype='float32'", "dtype='float16'"]),
        ({"metric": "cosin"}, ["Did you mean 'cosine'"]),
        ({"dim": 0}, ["dim is 0"]),
        ({"dim": True}, ["dim is True"]),
        ({"space": ""}, ["space is ''"]),
        ({"dtype": "int8"}, ["dtype is 'int8'"]),
        ({"create": True}, ["create=True without dim"]),
        ({"attributes": {"x": {1}}}, ["attributes", "JSON"]),
    ],
)
def test_disagreement(given: dict[str, object], words: list[str], tmp_path: Path) -> None:
    filled(tmp_path / "index")
    with pytest.raises(VectorIndexError) as error:
        runtime.index.open(tmp_path / "index", **given)  # type: ignore[arg-type]
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize("uri", ["", "a\0b", "postgresql://host/db", "file://host/folder", 3, b"folder"])
def test_not_a_folder(uri: object) -> None:
    with pytest.raises(VectorIndexError):
        runtime.index.open(uri, dim=3)  # type: ignore[arg-type]


def test_missing(tmp_path: Path) -> None:
    for given in ({}, {"dim": 3, "create": False}):
        with pytest.raises(VectorIndexError, match="there is no index at"):
            runtime.index.open(tmp_path / "index", **given)  # type: ignore[arg-type]
    assert not (tmp_path / "index").exists()


def _picture(folder: Path) -> None:
    (folder / "index.sqlite").unlink()
    (folder / "cat.jpg").touch()


def _file(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("not a folder")


def _foreign(folder: Path) -> None:
    (folder / "index.sqlite").unlink()
    connection = sqlite3.connect(folder / "index.sqlite")
    connection.execute("CREATE TABLE info (x)")
    connection.close()


def _newer(folder: Path) -> None:
    connection = sqlite3.connect(folder / "index.sqlite")
    connection.execute("UPDATE info SET version = 99")
    connection.commit()
    connection.close()


def _written(content: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        path = folder / "index.sqlite"
        path.write_bytes(content(path.read_bytes()))

    return write


def _folder_inside(folder: Path) -> None:
    (folder / "index.sqlite").unlink()
    (folder / "index.sqlite").mkdir()


@pytest.mark.parametrize(
    "spoil",
    [
        _picture,
        _file,
        _foreign,
        _newer,
        _folder_inside,
        _written(lambda content: random.Random(0).randbytes(len(content))),
        _written(lambda content: b""),
        _written(lambda content: content[:50]),
        _written(lambda content: content[:4096]),
        _written(lambda content: content[: len(content) // 2]),
        _written(lambda content: content[:4096] + bytes(len(content) - 4096)),
    ],
)
def test_something_else(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    folder = filled(tmp_path / "index")
    spoil(folder)
    for dim in (None, 3):
        with pytest.raises(VectorIndexError) as error, runtime.index.open(folder, dim=dim) as index:
            index.search([1.0, 0.0, 0.0])
        assert "\n" not in str(error.value)


def test_damage_anywhere_is_told_or_harmless(tmp_path: Path) -> None:
    whole = (filled(tmp_path / "index") / "index.sqlite").read_bytes()
    rng = random.Random(1)
    for _ in range(150):
        spoilt = bytearray(whole)
        place = rng.randrange(len(whole))
        spoilt[place : place + 8] = rng.randbytes(min(8, len(whole) - place))
        (tmp_path / "index" / "index.sqlite").write_bytes(spoilt)
        try:
            with runtime.index.open(tmp_path / "index") as index:
                index.search(np.eye(3), where={"row": {"<": 50}})
                index.get(["id 3", "id 400"])
                index.add(["id 3"], [[1.0, 2.0, 3.0]])
                index.delete(["id 4"])
        except VectorIndexError:
            pass


def test_a_folder_that_an_interrupted_creation_left(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "index.sqlite").touch()
    with runtime.index.open(tmp_path / "index", dim=3) as index:
        index.add(["a"], [[1, 2, 3]])
        assert len(index) == 1


def test_closed(tmp_path: Path) -> None:
    index = runtime.index.open(tmp_path / "index", dim=3)
    index.add(["a"], [[1, 2, 3]])
    index.close()
    index.close()
    for call in (lambda: len(index), lambda: index.search([1, 2, 3]), lambda: index.delete(["a"])):
        with pytest.raises(VectorIndexError, match="is closed"):
            call()


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = filled(tmp_path / "index")
    (folder / "matrix.f32").unlink()
    monkeypatch.setattr(connection.os, "access", lambda path, mode: False)
    with runtime.index.open(folder) as index:
        assert index.search([0.0, 1.0, 0.0], k=2).ids == ["id 1", "id 4"]
        with pytest.raises(VectorIndexError, match="cannot be read or written"):
            index.delete(["id 1"])


def test_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WAIT_SECONDS", 0.1)
    with runtime.index.open(tmp_path / "index", dim=3) as index:
        other = sqlite3.connect(tmp_path / "index" / "index.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(VectorIndexError, match="locked by another process"):
            index.add(["a"], [[1, 2, 3]])
        other.close()
        index.add(["a"], [[1, 2, 3]])
