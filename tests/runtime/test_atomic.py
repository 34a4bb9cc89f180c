"""A file is written completely or not at all."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime.atomic import atomic_path, atomic_write
from runtime.errors import InputError


@pytest.mark.parametrize(("content", "stored"), [(b"\x00\xff", b"\x00\xff"), ("größer", "größer".encode())])
def test_bytes_and_text_arrive_in_folders_that_are_made(tmp_path: Path, content: bytes | str, stored: bytes) -> None:
    target = tmp_path / "new" / "folder" / "file.bin"
    atomic_write(target, content)
    assert target.read_bytes() == stored
    assert os.listdir(target.parent) == ["file.bin"]


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path, before: bytes | None) -> None:
    target = tmp_path / "file"
    if before is not None:
        target.write_bytes(before)
    with pytest.raises(RuntimeError, match="half way"), atomic_path(target) as temporary:
        temporary.write_bytes(b"new")
        raise RuntimeError("half way")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([] if before is None else [before])


def test_the_temporary_file_is_beside_the_target_and_has_its_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "model.onnx") as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".onnx")
        assert not (tmp_path / "model.onnx").exists()
    assert (tmp_path / "model.onnx").exists()


def test_others_may_read_the_file_as_far_as_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "file", "text")
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_a_folder_as_target_and_a_file_as_folder_are_refused_in_one_paragraph(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    for target, words in ((tmp_path, "is a folder"), (tmp_path / "file" / "inside", "cannot be written")):
        with pytest.raises(InputError, match=words) as caught:
            atomic_write(target, "new")
        assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["file"]


def test_writers_at_the_same_time_leave_one_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    contents = [bytes([number]) * 100_000 for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: atomic_write(target, content), contents))
    assert target.read_bytes() in contents
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_is_said_and_the_old_file_stays(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with (
        pytest.raises(InputError, match="could not be written whole: No space left on device"),
        atomic_path(target) as path,
    ):
        path.write_text("half of the n")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have no names here")
def test_a_pipe_or_a_device_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a device or a pipe"):
        atomic_write(tmp_path / "pipe", b"new")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    with pytest.raises(InputError, match="cannot be written"):
        atomic_write(tmp_path / ("a" * 300), b"new")
