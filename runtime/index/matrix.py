"""The vectors of an index as one float32 matrix, derived from the store and rebuilt from it whenever it does not fit.

`matrix.f32` is a header of 4096 bytes and rows of dim little-endian float32, one for each place, in order. The header says
how many rows there are, the place of the first, and the tag of the block that the last belongs to. Places never change their
vector and tags are random, so a file is good exactly when that tag is the store's; it may lack newer rows, which are
appended. Rows are on disk before the header counts them: a process that dies in between leaves a shorter file, not a wrong one.

Two processes that append at once write the same bytes to the same places, so no lock is needed. Where the file cannot be
written (a read-only folder, a full disk), the rows are held in memory, and answers are the same.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from runtime.index.schema import StoredBlock
from runtime.index.store import Store

__all__ = ["Matrix"]

_HEADER = struct.Struct("<8sIqqq")  # magic, dim, first place, rows, tag of the last block; then a CRC-32 of these
_MAGIC = b"TVIX-F32"
_HEADER_BYTES = 4096
_TAIL_BYTES = 16 << 20
"""Newer rows are held in memory up to this much before they are appended to the file."""


class Matrix:
    """Matrix rows of the places from `first` to `stop`: a memory map, and newer rows in memory.

    Args:
        folder: the folder of the index.
        dim: elements in a row.
    """

    def __init__(self, folder: Path, dim: int) -> None:
        self._file = folder / "matrix.f32"
        self._dim = dim
        self.reset(0)

    def reset(self, first: int) -> None:
        """Start again with no rows."""
        self.first = first
        self._mapped: npt.NDArray[np.float32] = np.empty((0, self._dim), np.float32)
        self._tail: npt.NDArray[np.float32] = np.empty((0, self._dim), np.float32)
        self._writable = True

    @property
    def stop(self) -> int:
        return self.first + len(self._mapped) + len(self._tail)

    def cover(self, store: Store, stop: int, *, to_file: bool = False) -> None:
        """Load a row for every place up to `stop`, in the same transaction in which `stop` was read.

        Args:
            store: where missing rows come from.
            stop: the place to reach, where a block ends.
            to_file: append even a few rows to the file rather than hold them in memory.
        """
        if self.stop == stop and not to_file:
            return
        if not len(self._mapped):
            self._map(store, stop)
        missing = stop - self.first - len(self._mapped)
        wanted = to_file or not len(self._mapped) or missing * self._dim * 4 > _TAIL_BYTES
        if missing and wanted and self._writable:
            try:
                self._append(store, stop)
                self._map(store, stop)
            except OSError:
                self._writable = False  # not to try, and perhaps fill a disk, at every search
        if self.stop < stop:
            new = [store.vectors(block) for block in store.blocks(self.stop, stop)]
            self._tail = np.concatenate([self._tail, *new])

    def segments(self) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """Iterate over segments (number of the first row, (n, dim) rows) in order, without copying."""
        if len(self._mapped):
            yield 0, self._mapped
        if len(self._tail):
            yield len(self._mapped), self._tail

    def take(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Copy the rows with these numbers, (n,) -> (n, dim)."""
        mapped = len(self._mapped)
        if not len(self._tail):
            return self._mapped[rows]
        result = np.empty((len(rows), self._dim), np.float32)
        early = rows < mapped
        result[early] = self._mapped[rows[early]]
        result[~early] = self._tail[rows[~early] - mapped]
        return result

    def _map(self, store: Store, stop: int) -> None:
        """Memory-map the valid rows of the file, up to `stop`; the tail starts after them."""
        try:
            with open(self._file, "rb") as file:
                rows = self._good_rows(file, store, stop)
                if rows <= len(self._mapped):
                    return
                # The map lives as long as an array over it does.
                data = mmap.mmap(file.fileno(), _HEADER_BYTES + rows * self._dim * 4, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            return
        self._tail = self._tail[rows - len(self._mapped) :]
        self._mapped = np.frombuffer(data, "<f4", rows * self._dim, _HEADER_BYTES).reshape(rows, self._dim)

    def _good_rows(self, file: BinaryIO, store: Store, stop: int) -> int:
        """Number of rows of the file that match the store; 0 where the file must be rebuilt."""
        data = file.read(_HEADER.size + 4)
        if len(data) < _HEADER.size + 4 or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
            return 0
        magic, dim, first, rows, tag = _HEADER.unpack(data[:-4])
        if (magic, dim, first) != (_MAGIC, self._dim, self.first) or rows <= 0:
            return 0
        if os.fstat(file.fileno()).st_size < _HEADER_BYTES + rows * dim * 4:
            return 0
        if first + rows > stop:  # the store was put back to an older state, or another process is just now further
            return 0
        last = store.block_before(first + rows)
        return int(rows) if last is not None and (last.stop, last.tag) == (first + rows, tag) else 0

    def _append(self, store: Store, stop: int) -> None:
        """Append missing rows to the file, then update the header's count; an invalid file is rebuilt."""
        try:
            with open(self._file, "r+b") as file:
                rows = self._good_rows(file, store, stop)
                if rows:
                    self._write(file, store, rows, stop)
                    return
            self._file.unlink()  # others that have it mapped keep what they mapped
        except FileNotFoundError:
            pass
        try:
            with open(self._file, "xb") as file:
                self._write(file, store, 0, stop)
        except BaseException:  # without its header it would only take room
            self._file.unlink(missing_ok=True)
            raise

    def _write(self, file: BinaryIO, store: Store, rows: int, stop: int) -> None:
        last: StoredBlock | None = None
        file.seek(_HEADER_BYTES + rows * self._dim * 4)
        for last in store.blocks(self.first + rows, stop):
            file.write(store.vectors(last).astype("<f4", copy=False).tobytes())
        if last is None:
            return
        file.flush()
        os.fsync(file.fileno())
        header = _HEADER.pack(_MAGIC, self._dim, self.first, stop - self.first, last.tag)
        file.seek(0)
        file.write(header + zlib.crc32(header).to_bytes(4, "little"))
