"""Processes that die, files that are lost, and others who write at the same time."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import runtime.index
from runtime.errors import VectorIndexError
from runtime.index import VectorIndexWarning, matrix

ROOT = Path(runtime.index.__file__).parents[2]


def vector(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=8).astype(np.float32)


def check(index: runtime.index.VectorIndex, numbers: list[int]) -> None:
    """The index holds exactly these numbers' vectors, and finds each."""
    assert len(index) == len(numbers)
    wanted = np.array([vector(number) for number in numbers]).reshape(-1, 8)
    found, metadata = index.get([str(number) for number in numbers])
    np.testing.assert_array_equal(found, wanted)
    assert metadata == [{"number": number} for number in numbers]
    assert index.search(wanted, k=1).ids == [[str(number)] for number in numbers][: len(wanted)]


def add(index: runtime.index.VectorIndex, numbers: list[int]) -> None:
    names, rows = [str(number) for number in numbers], [vector(number) for number in numbers]
    index.add(names, rows, [{"number": number} for number in numbers])


def _delete(file: Path) -> None:
    file.unlink()


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-16])


def _cut_header(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:20])


def _noise(file: Path) -> None:
    file.write_bytes(os.urandom(len(file.read_bytes())))


def _more(file: Path) -> None:
    file.write_bytes(file.read_bytes() + os.urandom(1000))


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("spoil", [_delete, _empty, _cut, _cut_header, _noise, _more, _folder])
def test_the_matrix_can_always_be_made_again(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    file = tmp_path / "index" / "matrix.f32"
    with runtime.index.open(tmp_path / "index", dim=8) as index:
        add(index, list(range(300)))
    good = file.read_bytes()
    spoil(file)
    damaged = spoil not in (_delete, _more, _folder)
    said = pytest.warns(VectorIndexWarning, match="was damaged") if damaged else contextlib.nullcontext()
    with said, runtime.index.open(tmp_path / "index") as index:
        check(index, list(range(300)))
        add(index, [300])
        check(index, list(range(301)))
    if file.is_file():
        assert file.read_bytes()[4096 : len(good)] == good[4096:]


def test_a_matrix_of_another_time_is_not_believed(tmp_path: Path) -> None:
    folder, file = tmp_path / "index", tmp_path / "index" / "matrix.f32"
    with runtime.index.open(folder, dim=8) as index:
        add(index, list(range(5)))
    shutil.copytree(folder, tmp_path / "old")
    with runtime.index.open(folder) as index:
        add(index, list(range(5, 10)))
    newer = file.read_bytes()
    for file_of_old in (tmp_path / "old" / "index.sqlite",):  # the store is put back, the matrix is not
        shutil.copy(file_of_old, folder)
    with runtime.index.open(folder) as index:
        check(index, list(range(5)))
        add(index, list(range(20, 25)))
        check(index, [*range(5), *range(20, 25)])
    file.write_bytes(newer)  # as many rows, from another history
    with runtime.index.open(folder) as index:
        check(index, [*range(5), *range(20, 25)])


@pytest.mark.parametrize("written", ["nothing", "rows but no header"])
def test_dying_between_the_store_and_the_matrix(written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with runtime.index.open(tmp_path / "index", dim=8) as index:
        add(index, list(range(50)))
        index.search(vector(0))
        add(index, list(range(40, 70)))
        with monkeypatch.context() as patch:
            patch.setattr(matrix, "_TAIL_BYTES", 0)
            if written == "nothing":
                patch.setattr(matrix.Matrix, "_append", lambda *_: None)
            else:
                patch.setattr(matrix.os, "fsync", lambda _: (_ for _ in ()).throw(OSError))
            index.search(vector(0))
            # What a process leaves that is killed now: the committed store with its log, and the older matrix.
            shutil.copytree(tmp_path / "index", tmp_path / "left")
    with runtime.index.open(tmp_path / "left") as index:
        check(index, [*range(40), *range(40, 70)])


def test_a_failing_matrix_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(matrix.Matrix, "_append", refuse)
    with runtime.index.open(tmp_path / "index", dim=8) as index:
        for number in range(5):
            add(index, [number])
            check(index, list(range(number + 1)))
    assert not (tmp_path / "index" / "matrix.f32").exists()


WRITER = """
import sys
sys.path.insert(0, {tests!r})
import runtime.index, test_index_crash as helpers
index = runtime.index.open({folder!r}, dim=8)
for start in range(0, 100000, 10):
    helpers.add(index, list(range(start, start + 10)))
    if start % 30 == 20:  # more than half die in the end: compaction happens too
        index.delete([str(number) for number in range(start - 19, start + 5)])
    print(start, flush=True)
"""


def live(done: int) -> list[int]:
    """The numbers that are there when the writer has added up to `done`, and deleted what comes with that."""
    numbers = set(range(done))
    for start in range(20, done, 30):
        numbers -= set(range(start - 19, start + 5))
    return sorted(numbers)


def writer(folder: Path) -> subprocess.Popen[str]:
    code = WRITER.format(folder=str(folder), tests=str(Path(__file__).parent))
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_writer_leaves_whole_transactions(tmp_path: Path) -> None:
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        with writer(folder) as child:
            assert child.stdout is not None
            told = [int(child.stdout.readline()) for _ in range(4 + attempt)]
            time.sleep(0.007 * attempt)
            child.send_signal(signal.SIGKILL)
            told += [int(line) for line in child.stdout if line.endswith("\n")]
        with runtime.index.open(folder) as index:
            # Every add and delete that was told is there whole; one more of each may be, and nothing less than whole.
            done = told[-1] + 10
            partial = sorted(set(live(done)) | set(range(done, done + 10)))
            allowed = [live(done), partial, live(done + 10)]
            assert len(index) in {len(numbers) for numbers in allowed}
            check(index, next(numbers for numbers in allowed if len(numbers) == len(index)))
            add(index, [10**6])
            assert index.search(vector(10**6), k=1).ids == ["1000000"]


def test_readers_see_whole_states_of_a_writer(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with writer(folder) as child:
        assert child.stdout is not None
        child.stdout.readline()
        readers = [runtime.index.open(folder) for _ in range(2)]
        sizes = set()
        stop = time.monotonic() + 1.5
        while time.monotonic() < stop:
            for reader in readers:
                ids, scores = reader.search(vector(5), k=10**6)
                numbers = sorted(map(int, ids))
                done = numbers[-1] + 1
                assert numbers in (live(done), sorted(set(live(done - 10)) | set(range(done - 10, done))))
                np.testing.assert_array_equal(scores, np.sort(scores)[::-1])
                sizes.add(done)
        child.terminate()
        for reader in readers:
            reader.close()
    assert len(sizes) > 2


def test_processes_that_make_the_same_index_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, runtime.index as i\n"
        f"with i.open({str(tmp_path / 'index')!r}, dim=2) as x: x.add([sys.argv[1]], [[1, int(sys.argv[1])]])"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, str(number)], cwd=ROOT) for number in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    with runtime.index.open(tmp_path / "index") as index:
        assert len(index) == 4


def test_threads_take_turns(tmp_path: Path) -> None:
    errors: list[BaseException] = []
    with runtime.index.open(tmp_path / "index", dim=8) as index:
        add(index, list(range(100)))

        def work(first: int) -> None:
            try:
                for number in range(first, first + 15):
                    add(index, [number])
                    assert index.search(vector(number), k=1).ids == [str(number)]
                    index.delete([str(number)])
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(1000 * number,)) for number in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        check(index, list(range(100)))


def test_an_interrupted_add_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with runtime.index.open(tmp_path / "index", dim=8) as index:
        add(index, [1, 2, 3])
        with monkeypatch.context() as patch:
            patch.setattr(runtime.index.embedded.Store, "insert", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                add(index, [3, 4])
        check(index, [1, 2, 3])
        with pytest.raises(VectorIndexError, match="'5'"):
            index.add(["1", "5"], [vector(9), np.full(8, np.nan)])
        check(index, [1, 2, 3])
