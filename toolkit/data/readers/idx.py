"""The idx files of MNIST and its kin, gzipped or not (format: Y. LeCun, "The MNIST database of handwritten digits")."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from runtime.errors import InputError
from runtime.regular_file import require_file
from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import pixels_dataset
from toolkit.tasks.class_indices import class_targets
from toolkit.tasks.registry import DEFAULT_TASK

__all__ = ["find_idx", "load_idx", "read_idx"]

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_PREFIXES = {"train": "train", "test": "t10k"}


def find_idx(folder: str | os.PathLike[str], part: str) -> tuple[Path, Path] | None:
    """The picture and label files of ``part`` ("train" or "test") in `folder` or its ``raw`` folder, or None."""
    for place in (Path(folder), Path(folder, "raw")):
        for suffix in ("", ".gz"):
            images = place / f"{_PREFIXES[part]}-images-idx3-ubyte{suffix}"
            labels = place / f"{_PREFIXES[part]}-labels-idx1-ubyte{suffix}"
            if images.is_file() and labels.is_file():
                return images, labels
    return None


def load_idx(folder: str | os.PathLike[str], part: str = "train") -> Dataset:
    """Pictures and labels of one part -> a data set.

    Raises:
        InputError: the files are missing or damaged, or their lengths differ.
    """
    found = find_idx(folder, part)
    if found is None:
        names = f"{_PREFIXES[part]}-images-idx3-ubyte[.gz] and {_PREFIXES[part]}-labels-idx1-ubyte[.gz]"
        raise InputError(
            f"{folder} holds no {part} part in idx format; {names} are looked for there and in its folder raw."
        )
    images, labels = read_idx(found[0]), read_idx(found[1])
    if images.dtype != np.uint8 or images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise InputError(
            f"{found[0]} holds {images.dtype} {images.shape} and {found[1].name} {labels.dtype} {labels.shape}; uint8 pictures "
            f"(N, H, W) and as many labels (N,) are expected."
        )
    if len(images) == 0:
        raise InputError(f"{found[0]} holds no pictures. Fetch it again.")
    indices, names_ = class_targets(labels)
    return pixels_dataset(images[:, None], indices, names_, DEFAULT_TASK, str(folder))


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """One idx file -> the array it holds, in native byte order.

    Raises:
        InputError: the file is not in idx format or is cut short.
    """
    source = require_file(path)
    try:
        content = source.read_bytes()
        if source.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{source} cannot be read: {error}. Fetch it again.") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _DTYPES:
        raise InputError(f"{source} is not in idx format: it does not begin with its magic number. Fetch it again.")
    dtype, axes = np.dtype(_DTYPES[content[2]]), content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise InputError(f"{source} is cut short inside its header. Fetch it again.")
    shape = struct.unpack(f">{axes}I", content[4:start])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise InputError(f"{source} has {len(content):,} bytes; its header promises {expected:,}. Fetch it again.")
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
