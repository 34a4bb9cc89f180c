"""The vectors of an index as one float32 matrix, derived from the store and rebuilt from it whenever it does not fit.

`matrix.f32` is a header of 4096 bytes and rows of dim little-endian float32, one for each place, in order. The header says
how many rows there are, the place of the first, and the tag of the block that the last belongs to. Places never change their
vector and tags are random, so a file is good exactly when that tag is the store's; it may lack newer rows, which are
appended. Rows are on disk before the header counts them: a process that dies in between leaves a shorter file, not a wrong one.

`matrix.sums` beside it holds a checksum of each row, its length and its place (see `runtime.index.sums`), written before the
header counts the row. Rows are checked when they are first used; what was altered is said, and the matrix is rebuilt from the store.
Where the checksums are missing, as an older release left them, they are made from rows that match the store's own checksums.

Two processes that append at once write the same bytes to the same places, so no lock is needed. Where the file cannot be
written (a read-only folder, a full disk), the rows are held in memory, and answers are the same.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from runtime.index.interface import VectorIndexWarning
from runtime.index.schema import StoredBlock
from runtime.index.store import Store
from runtime.index.sums import row_sums
from runtime.regular_file import open_regular

__all__ = ["Matrix", "RowAltered"]

_HEADER = struct.Struct("<8sIqqq")  # magic, dim, first place, rows, tag of the last block; then a CRC-32 of these
_MAGIC = b"TVIX-F32"
_HEADER_BYTES = 4096
_TAIL_BYTES = 16 << 20
"""Newer rows are held in memory up to this much before they are appended to the file."""

_SUMS_HEADER = struct.Struct("<8sIIq")  # magic, dim, nothing, first place
_SUMS_MAGIC = b"TVIX-SUM"
_CHECKED_BYTES = 1 << 20
"""Rows are checked about this much at a time, while they are in the processor's cache."""


class RowAltered(Exception):
    """Rows of the file are not those that were written: it is to be made anew."""


class Matrix:
    """Matrix rows of the places from `first` to `stop`: a memory map, and newer rows in memory.

    Args:
        folder: the folder of the index.
        dim: elements in a row.
    """

    def __init__(self, folder: Path, dim: int) -> None:
        self._file = folder / "matrix.f32"
        self._sums_file = folder / "matrix.sums"
        self._dim = dim
        self._group = max(1, _CHECKED_BYTES // (4 * dim))
        self._altered = False  # rows of the file, which is not said yet
        self._usable = True
        self.reset(0)

    def reset(self, first: int) -> None:
        """Start again with no rows."""
        self.first = first
        self._mapped: npt.NDArray[np.float32] = np.empty((0, self._dim), np.float32)
        self._tail: npt.NDArray[np.float32] = np.empty((0, self._dim), np.float32)
        self._sums: npt.NDArray[np.uint64] = np.empty(0, np.uint64)
        self._unchecked: npt.NDArray[np.bool_] = np.empty(0, bool)  # of each group of rows
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
        if self._usable and not len(self._mapped):
            self._map(store, stop)
        missing = stop - self.first - len(self._mapped)
        wanted = to_file or not len(self._mapped) or missing * self._dim * 4 > _TAIL_BYTES
        if missing and wanted and self._writable and self._usable:
            try:
                self._append(store, stop)
                self._map(store, stop)
            except OSError:
                self._writable = False  # not to try, and perhaps fill a disk, at every search
        if self.stop < stop:
            new = [store.vectors(block) for block in store.blocks(self.stop, stop)]
            self._tail = np.concatenate([self._tail, *new])
        if self._altered:
            self._altered = False
            warnings.warn(
                f"{self._file} was damaged; its vectors were read from index.sqlite again, and answers are right. Look after the "
                "disk that it lies on.",
                VectorIndexWarning,
                stacklevel=5,
            )

    def discard(self) -> None:
        """Remove the files, whose rows were altered, and start again with no rows."""
        try:
            self._file.unlink()
        except OSError:
            self._usable = False
        self.reset(self.first)
        self._altered = True

    def check(self, start: int, stop: int, norms: npt.NDArray[np.float64]) -> None:
        """Check the rows from number `start` to `stop`, and their lengths, where they have not been used before.

        Args:
            start: number of the first row.
            stop: number of the row behind the last.
            norms: (n,) lengths of all rows.

        Raises:
            RowAltered: one is not as it was written.
        """
        first, last = start // self._group, -(-min(stop, len(self._mapped)) // self._group)
        for group in (np.flatnonzero(self._unchecked[first:last]) + first).tolist():
            part = slice(group * self._group, min((group + 1) * self._group, len(self._mapped)))
            found = row_sums(self._mapped[part], norms[part], self.first + part.start)
            if not np.array_equal(found, self._sums[part]):
                raise RowAltered
            self._unchecked[group] = False

    def check_rows(self, rows: npt.NDArray[np.int64], norms: npt.NDArray[np.float64]) -> None:
        """Check the rows with these numbers, as `check` does."""
        if self._unchecked.any():
            for group in np.unique(rows // self._group).tolist():
                self.check(group * self._group, (group + 1) * self._group, norms)

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
            with open_regular(self._file) as file:
                rows = self._good_rows(file, store, stop)
                if rows <= len(self._mapped):
                    return
                # The map lives as long as an array over it does.
                data = mmap.mmap(file.fileno(), _HEADER_BYTES + rows * self._dim * 4, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            return
        mapped = np.frombuffer(data, "<f4", rows * self._dim, _HEADER_BYTES).reshape(rows, self._dim)
        sums = self._read_sums(rows)
        if sums is None:
            sums = self._sums_by_store(mapped, store)
            if sums is None:
                return
            with contextlib.suppress(OSError):
                self._write_sums(sums, 0)
        self._tail = self._tail[rows - len(self._mapped) :]
        unchecked = np.ones(-(-rows // self._group), bool)
        whole = len(self._mapped) // self._group
        unchecked[:whole] = self._unchecked[:whole]
        self._mapped, self._sums, self._unchecked = mapped, sums, unchecked

    def _good_rows(self, file: BinaryIO, store: Store, stop: int) -> int:
        """Number of rows of the file that match the store; 0 where the file must be rebuilt."""
        data = file.read(_HEADER.size + 4)
        if len(data) < _HEADER.size + 4 or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
            self._altered = True
            return 0
        magic, dim, first, rows, tag = _HEADER.unpack(data[:-4])
        if (magic, dim, first) != (_MAGIC, self._dim, self.first) or rows <= 0:
            return 0
        if os.fstat(file.fileno()).st_size < _HEADER_BYTES + rows * dim * 4:
            self._altered = True
            return 0
        if first + rows > stop:  # the store was put back to an older state, or another process is just now further
            return 0
        last = store.block_before(first + rows)
        return int(rows) if last is not None and (last.stop, last.tag) == (first + rows, tag) else 0

    def _read_sums(self, rows: int) -> npt.NDArray[np.uint64] | None:
        """Checksums of the first rows, or None where there are none."""
        try:
            with open_regular(self._sums_file) as file:
                if file.read(_SUMS_HEADER.size) != self._sums_header():
                    return None
                sums = np.frombuffer(file.read(8 * rows), "<u8")
        except (OSError, ValueError):
            return None
        return sums if len(sums) == rows else None

    def _sums_by_store(self, rows: npt.NDArray[np.float32], store: Store) -> npt.NDArray[np.uint64] | None:
        """Checksums of rows that match the store's own checksums; None where one does not."""
        sums = np.empty(len(rows), np.uint64)
        for block in store.blocks(self.first, self.first + len(rows)):
            part = slice(block.first - self.first, block.stop - self.first)
            if not store.holds(block, rows[part]):
                self._altered = True
                return None
            sums[part] = row_sums(rows[part], block.norms, block.first)
        return sums

    def _append(self, store: Store, stop: int) -> None:
        """Append missing rows to the file, then update the header's count; an invalid file is rebuilt."""
        try:
            with open_regular(self._file, "r+b") as file:
                rows = self._good_rows(file, store, stop)
                if rows and self._read_sums(rows) is not None:
                    self._write(file, store, rows, stop)
                    return
        except FileNotFoundError:
            pass
        self._file.unlink(missing_ok=True)  # others that have it mapped keep what they mapped
        try:
            with open(self._file, "xb") as file:
                self._write(file, store, 0, stop)
        except BaseException:  # without its header it would only take room
            self._file.unlink(missing_ok=True)
            raise

    def _write(self, file: BinaryIO, store: Store, rows: int, stop: int) -> None:
        last: StoredBlock | None = None
        sums: list[npt.NDArray[np.uint64]] = []
        file.seek(_HEADER_BYTES + rows * self._dim * 4)
        for last in store.blocks(self.first + rows, stop):
            vectors = store.vectors(last).astype("<f4", copy=False)
            file.write(vectors.tobytes())
            sums.append(row_sums(vectors, last.norms, last.first))
        if last is None:
            return
        file.flush()
        os.fsync(file.fileno())
        self._write_sums(np.concatenate(sums), rows)
        header = _HEADER.pack(_MAGIC, self._dim, self.first, stop - self.first, last.tag)
        file.seek(0)
        file.write(header + zlib.crc32(header).to_bytes(4, "little"))

    def _write_sums(self, sums: npt.NDArray[np.uint64], rows: int) -> None:
        """Write checksums of the rows from number `rows` on."""
        if not rows:
            self._sums_file.unlink(missing_ok=True)
        with open(self._sums_file, "r+b" if rows else "xb") as file:
            file.write(self._sums_header())
            file.seek(8 * rows, os.SEEK_CUR)
            file.write(sums.astype("<u8", copy=False).tobytes())
            file.flush()
            os.fsync(file.fileno())

    def _sums_header(self) -> bytes:
        return _SUMS_HEADER.pack(_SUMS_MAGIC, self._dim, 0, self.first)
