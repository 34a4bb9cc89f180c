"""Stores of prepared inputs: rows in memory, uint8 pictures in memory, or files read batch by batch.

All three give the same numbers, those of `runtime.preprocess`; they differ in memory only. Stores of pictures also give the
pixels as they are before normalisation, for an augmentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from runtime.card import ImageInput
from runtime.errors import InputError
from runtime.preprocess import decode, normalize
from runtime.processors import usable_processors
from toolkit.data.originals import ArrayOriginals, FileOriginals, Originals

__all__ = ["FileStore", "JoinedStore", "PictureStore", "PixelStore", "RowStore", "Store"]

# Pictures are also kept as float32, ready for the network, up to this size; beyond it as uint8 only, a quarter of that.
FLOAT_BYTES = 2 * 1024**3
# A fingerprint of files covers all names and sizes, and the content of so many of them.
SAMPLED_FILES = 64


class Store(Protocol):
    """N prepared inputs."""

    def __len__(self) -> int: ...

    def take(self, indices: torch.Tensor) -> Any:
        """int64 (n,) -> the prepared inputs at these positions, (n, ...); a tuple of such where there are several inputs."""
        ...

    def raw(self) -> np.ndarray | None:
        """Data of the inputs for a fingerprint: the rows in memory, or a digest of the files; None for neither."""
        ...


@runtime_checkable
class PictureStore(Protocol):
    """A store of pictures, which gives their pixels too."""

    def __len__(self) -> int: ...

    def take(self, indices: torch.Tensor) -> torch.Tensor:
        """int64 (n,) -> the prepared pictures, float32 (n, *card.shape)."""
        ...

    def raw(self) -> np.ndarray | None:
        """As `Store.raw`."""
        ...

    def take_pixels(self, indices: torch.Tensor) -> torch.Tensor:
        """int64 (n,) -> the pictures before normalisation, uint8 (n, ...) in the card's layout, whole where the card crops."""
        ...

    def with_card(self, card: ImageInput) -> PictureStore:
        """The same pictures, prepared with another crop or normalisation."""
        ...


class RowStore:
    """Prepared rows (N, ...), all in memory."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = torch.from_numpy(np.ascontiguousarray(rows))

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: torch.Tensor) -> torch.Tensor:
        return self.rows.index_select(0, indices)

    def raw(self) -> np.ndarray:
        return self.rows.numpy()


class JoinedStore:
    """Several inputs an example: each from a store of its own, given together as a tuple.

    Raises:
        InputError: the stores hold different numbers of examples.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores = tuple(stores)
        if len({len(store) for store in self.stores}) != 1:
            counts = ", ".join(str(len(store)) for store in self.stores)
            raise InputError(f"The inputs hold {counts} examples; as many of each are expected.")

    def __len__(self) -> int:
        return len(self.stores[0])

    def take(self, indices: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(store.take(indices) for store in self.stores)

    def raw(self) -> np.ndarray | None:
        import hashlib

        parts = [store.raw() for store in self.stores]
        if any(part is None for part in parts):
            return None
        digest = hashlib.sha256()
        for part in parts:
            digest.update(hashlib.sha256(np.ascontiguousarray(part).data.cast("B")).digest())
        return np.frombuffer(digest.digest(), np.uint8)


class PixelStore:
    """Decoded pictures, uint8 (N, ...) in the card's layout, in memory.

    They may be larger than the card's size: then they are cropped at the centre when they are taken, and an augmentation may
    crop elsewhere. They are normalised when they are taken; all at once, and kept, while that is small.

    Args:
        pixels: the pictures.
        card: their pre-processing.
        originals: the pictures as they were before they were resized; None where they were not.
    """

    def __init__(self, pixels: np.ndarray, card: ImageInput, originals: Originals | None = None) -> None:
        self.pixels, self.card, self._originals = np.ascontiguousarray(pixels), card, originals
        self._rows: torch.Tensor | None = None

    @property
    def originals(self) -> Originals:
        """The pictures as they are stored, before any resize."""
        if self._originals is not None:
            return self._originals
        return ArrayOriginals(self.pixels if self.card.layout == "NCHW" else self.pixels.transpose(0, 3, 1, 2))

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: torch.Tensor) -> torch.Tensor:
        if self._rows is None and len(self) * int(np.prod(self.card.shape)) * 4 <= FLOAT_BYTES:
            self._rows = self._prepared(self.pixels)
        if self._rows is not None:
            return self._rows.index_select(0, indices)
        return self._prepared(self.pixels[indices.numpy()])

    def take_pixels(self, indices: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.pixels[indices.numpy()])

    def with_card(self, card: ImageInput) -> PixelStore:
        return PixelStore(self.pixels, card, self._originals)

    def raw(self) -> np.ndarray:
        return self.pixels

    def _prepared(self, pixels: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(normalize(_center_cropped(pixels, self.card), self.card))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_rows": None}  # made again where it is needed


class FileStore:
    """Picture files, decoded by several threads when they are taken: for sets that do not fit in memory.

    Args:
        paths: the files.
        card: their pre-processing.
        workers: threads that decode; None takes one per core.
        whole: card for an augmentation, without the crop of `card`.
    """

    reads_files = True

    def __init__(
        self, paths: Sequence[Path], card: ImageInput, workers: int | None = None, whole: ImageInput | None = None
    ) -> None:
        self.paths, self.card, self.workers, self.whole = list(paths), card, workers, whole or card
        self.originals: Originals = FileOriginals(self.paths, card, workers)
        self._pool: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(normalize(self._decoded(indices, self.card), self.card))

    def take_pixels(self, indices: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self._decoded(indices, self.whole))

    def with_card(self, card: ImageInput) -> FileStore:
        return FileStore(self.paths, card, self.workers, self.whole)

    def raw(self) -> np.ndarray:
        import hashlib

        digest = hashlib.sha256()
        for path in self.paths:
            size = path.stat().st_size if path.is_file() else -1
            # the last two parts: a data set that was moved is the same data set
            digest.update(f"{'/'.join(path.parts[-2:])}\0{size}\n".encode())
        for path in self.paths[:: max(1, len(self.paths) // SAMPLED_FILES)]:
            digest.update(path.read_bytes() if path.is_file() else b"")
        return np.frombuffer(digest.digest(), np.uint8)

    def _decoded(self, indices: torch.Tensor, card: ImageInput) -> np.ndarray:
        def read(index: int) -> np.ndarray:
            return decode(self.paths[index], card)

        positions = indices.tolist()
        if len(positions) < 2 or torch.utils.data.get_worker_info() is not None:
            # a worker process is one of several already, and threads do not survive the fork that made it
            pixels = list(map(read, positions))
        else:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.workers or usable_processors(), thread_name_prefix="decode")
            pixels = list(self._pool.map(read, positions))
        return np.stack(pixels) if pixels else np.empty((0, *card.shape), np.uint8)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_pool": None}


def _center_cropped(pixels: np.ndarray, card: ImageInput) -> np.ndarray:
    """uint8 (n, ...) in the card's layout -> (n, *card.shape), as `runtime.preprocess.decode` crops."""
    if pixels.shape[1:] == card.shape:
        return pixels
    from torchvision.transforms.v2.functional import center_crop

    tensor = torch.from_numpy(np.require(pixels, requirements="W"))  # a copy where a caller's array is read-only
    if card.layout == "NCHW":
        return np.ascontiguousarray(center_crop(tensor, list(card.size)).numpy())
    cropped = center_crop(tensor.permute(0, 3, 1, 2), list(card.size))
    return np.ascontiguousarray(cropped.permute(0, 2, 3, 1).numpy())
