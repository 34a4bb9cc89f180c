"""The idx files of MNIST: written here byte by byte, read back, and refused when damaged."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from runtime.errors import InputError
from toolkit.data.readers.idx import find_idx, load_idx, read_idx

CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}
RANDOM = np.random.default_rng(0)


def idx(array: Any, dtype: str = "u1") -> bytes:
    values = np.asarray(array, dtype)
    return struct.pack(f">HBB{values.ndim}I", 0, CODES[dtype], values.ndim, *values.shape) + values.tobytes()


def write(folder: Path, prefix: str, pictures: np.ndarray, labels: Any, suffix: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("images-idx3", idx(pictures)), ("labels-idx1", idx(labels))):
        (folder / f"{prefix}-{name}-ubyte{suffix}").write_bytes(gzip.compress(content) if suffix else content)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("place", ["", "raw"])
def test_mnists_files_are_found_plain_or_gzipped_there_or_in_raw(tmp_path: Path, suffix: str, place: str) -> None:
    pictures = RANDOM.integers(0, 256, (6, 5, 4), np.uint8)
    write(tmp_path / place, "train", pictures, [3, 1, 3, 2, 1, 3], suffix)
    data = load_idx(tmp_path)
    assert data.shape == (1, 5, 4)
    assert data.labels == ("1", "2", "3")
    assert data.targets.tolist() == [2, 0, 2, 1, 0, 2]
    np.testing.assert_allclose(data.inputs.take(torch.arange(6)).numpy()[:, 0], pictures / 255, rtol=1e-6)
    assert find_idx(tmp_path, "test") is None
    with pytest.raises(InputError, match=r"holds no test part in idx format; t10k-images-idx3-ubyte\[.gz\]"):
        load_idx(tmp_path, "test")


@pytest.mark.parametrize("dtype", CODES)
def test_every_number_type_is_read_in_native_order(tmp_path: Path, dtype: str) -> None:
    values = np.array([[1, -2, 3], [100, 0, -7]]).astype(dtype)
    (tmp_path / "a").write_bytes(idx(values, dtype))
    found = read_idx(tmp_path / "a")
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_truncated_file_is_refused_at_every_length(tmp_path: Path, suffix: str) -> None:
    content = idx(RANDOM.integers(0, 256, (3, 4, 4)))
    content = gzip.compress(content, mtime=0) if suffix else content
    path = tmp_path / f"cut{suffix}"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cut.*Fetch it again"):
            read_idx(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (idx(np.zeros((2, 3))) + b"\0", r"has 19 bytes; its header promises 18"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 2**31, 2**31), "its header promises"),
        (b"\x1f\x8b\x08\x03" + bytes(12), "is not in idx format"),
        (b"\0\0\x07\x01" + bytes(8), "is not in idx format"),
    ],
)
def test_a_wrong_header_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_idx(tmp_path / "a")


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(idx(RANDOM.integers(0, 256, (3, 8, 8)))))
    content[30] ^= 0xFF
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read_idx(tmp_path / "a.gz")


def test_labels_of_another_number_than_pictures_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "train", np.zeros((3, 2, 2), np.uint8), [0, 1])
    with pytest.raises(InputError, match=r"uint8 pictures \(N, H, W\) and as many labels \(N,\) are expected"):
        load_idx(tmp_path)


def test_files_without_a_picture_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "train", np.zeros((0, 2, 2), np.uint8), [])
    with pytest.raises(InputError, match="holds no pictures"):
        load_idx(tmp_path)
