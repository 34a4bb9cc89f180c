"""Threads are counted by what the process may really use, not by what the machine has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import runtime.processors as processors
from runtime.processors import usable_cores, usable_processors
from runtime.session import Session


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine of 16 processors without a quota; its files are written below the folder."""
    processors._quota.cache_clear()
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(16)), raising=False)
    monkeypatch.setattr(processors, "_CGROUPS", tmp_path / "cgroup")
    read = processors._text

    def text(path: Path) -> str:
        return read(tmp_path / "self" if path == Path("/proc/self/cgroup") else path)

    monkeypatch.setattr(processors, "_text", text)
    yield tmp_path
    processors._quota.cache_clear()


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_without_limits_the_whole_machine_is_used(machine: Path) -> None:
    assert (usable_processors(), usable_cores()) == (16, None)


def test_the_affinity_counts(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {3, 5, 6}, raising=False)
    assert usable_processors() == 3
    assert usable_cores() is not None and 1 <= usable_cores() <= 3


@pytest.mark.parametrize(
    ("place", "files", "expected"),
    [
        ("0::/\n", {"cpu_DOT_max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu_DOT_max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu_DOT_max": "10000 100000\n"}, 1),
        ("0::/\n", {"cpu_DOT_max": "max 100000\n"}, 16),
        ("0::/\n", {"cpu_DOT_max": "nonsense"}, 16),
        # the least quota of those above; and the name that a cgroup has outside of the container that sees it as the root
        ("0::/pod/a\n", {"pod__cpu_DOT_max": "300000 100000", "pod__a__cpu_DOT_max": "max 100000"}, 3),
        ("0::/kubepods/x\n", {"cpu_DOT_max": "400000 100000"}, 4),
        ("4:cpu,cpuacct:/\n0::/\n", {"cpu,cpuacct__cpu_DOT_cfs_quota_us": "250000", "cpu,cpuacct__cpu_DOT_cfs_period_us": "100000"}, 3),
        ("4:cpu:/docker/x\n", {"cpu__cpu_DOT_cfs_quota_us": "100000", "cpu__cpu_DOT_cfs_period_us": "50000"}, 2),
        ("4:cpu:/\n", {"cpu__cpu_DOT_cfs_quota_us": "-1", "cpu__cpu_DOT_cfs_period_us": "100000"}, 16),
        ("4:cpuset:/\n", {}, 16),
    ],
)  # fmt: skip
def test_the_quota_of_the_cgroups_counts(machine: Path, place: str, files: dict[str, str], expected: int) -> None:
    (machine / "self").write_text(place)
    write(machine / "cgroup", **files)
    assert usable_processors() == expected


def test_onnxruntime_starts_as_many_threads_as_may_run(machine: Path, plain_model: Path) -> None:
    (machine / "self").write_text("0::/\n")
    assert Session(plain_model, "cpu")._session.get_session_options().intra_op_num_threads == 0
    processors._quota.cache_clear()
    write(machine / "cgroup", cpu_DOT_max="200000 100000")
    assert 1 <= Session(plain_model, "cpu")._session.get_session_options().intra_op_num_threads <= 2
    assert Session(plain_model, "cpu", threads=5)._session.get_session_options().intra_op_num_threads == 5


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system knows no affinity of processes")
def test_a_process_that_is_bound_to_one_processor_uses_one(plain_model: Path) -> None:
    program = (
        "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from runtime.processors import usable_processors\nfrom runtime.session import Session\n"
        "session = Session(sys.argv[1], 'cpu')\n"
        "print(usable_processors(), len(os.listdir('/proc/self/task')))"
    )
    ran = subprocess.run([sys.executable, "-c", program, plain_model], capture_output=True, text=True, check=True)
    processors_, threads = map(int, ran.stdout.split())
    assert processors_ == 1
    assert threads <= 2  # of NumPy's own pool one may be there
