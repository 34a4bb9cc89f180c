"""Workers: Ctrl-C is the parent's to handle, and nothing is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from typing import Any

import pytest

from runtime.errors import InputError, MissingPackageError
from toolkit.data.batching.workers import WorkerPool, _leave_the_end_to_the_parent

SCRIPT = """
import multiprocessing, sys
from toolkit.data.augmentation import Augmentation
from toolkit.data.batching.batches import Batches
from toolkit.data.readers.digits import load_digits

batches = Batches(load_digits(), batch_size=4, augment=Augmentation.from_setting({"RandomRotation": 9}), workers=2)
try:
    while True:
        for _ in batches:
            print(*[child.pid for child in multiprocessing.active_children()], flush=True)
except KeyboardInterrupt:
    print("interrupted", len(multiprocessing.active_children()), flush=True)
"""


def square(job: int) -> int:
    if job == 4:
        raise InputError("Four was given.")
    if job == 5:
        raise MissingPackageError("five", "fives", "train")
    if job == 6:
        os._exit(3)
    return job * job


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interrupt_from_the_keyboard_ends_the_workers_without_a_word() -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "error::ResourceWarning", "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    workers = [int(number) for number in process.stdout.readline().split()]
    assert len(workers) == 2
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to the parent and to its workers
    output, errors = process.communicate(timeout=30)
    assert output.splitlines()[-1] == "interrupted 0"
    assert errors == ""
    time.sleep(0.2)
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def test_a_connection_that_the_parent_breaks_off_is_no_error_of_a_worker(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """multiprocessing's thread that hands batches over reports through the hook; all else is still printed."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    before = signal.getsignal(signal.SIGINT)
    try:
        _leave_the_end_to_the_parent(0)
    finally:
        signal.signal(signal.SIGINT, before)
    for error in (ConnectionResetError("by peer"), BrokenPipeError(), EOFError()):
        sys.excepthook(type(error), error, None)
    assert capsys.readouterr().err == ""
    sys.excepthook(ValueError, ValueError("a batch went wrong"), None)
    assert "a batch went wrong" in capsys.readouterr().err


def test_results_come_in_order_and_the_workers_stay_until_the_pool_is_closed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pool = WorkerPool(square, 2)
        assert list(pool.run([3, 1, 2, 0])) == [9, 1, 4, 0]
        pids = {child.pid for child in multiprocessing.active_children()}
        assert list(pool.run([])) == []
        assert list(pool.run([2])) == [4]
        assert {child.pid for child in multiprocessing.active_children()} == pids
        pool.close()
        pool.close()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("job", "kind", "words"),
    [(4, InputError, "^Four was given.$"), (5, MissingPackageError, "^five needs the package 'fives'")],
)
def test_an_error_keeps_its_kind_and_its_message(job: int, kind: Any, words: str) -> None:
    pool = WorkerPool(square, 1)
    with pytest.raises(kind, match=words):
        list(pool.run([1, job]))
    pool.close()


def test_a_worker_that_dies_is_reported() -> None:
    pool = WorkerPool(square, 1)
    with pytest.raises(InputError, match="ended unexpectedly"):
        list(pool.run([1, 6]))
    pool.close()
