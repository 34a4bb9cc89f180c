"""Where prepared inputs come from: float32 rows, uint8 pictures normalised batch by batch, or files read batch by batch.

All three give the same numbers, those of `runtime.preprocess`; they differ in memory only.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from runtime.card import ImageInput
from runtime.preprocess import decode, normalize

__all__ = ["FileStore", "PixelStore", "RowStore", "Store", "store_pixels"]

# Pictures are kept as float32, ready for the network, up to this size; beyond it as uint8, a quarter of that.
FLOAT_BYTES = 2 * 1024**3


class Store(Protocol):
    """N prepared inputs."""

    def __len__(self) -> int: ...

    def take(self, indices: torch.Tensor) -> torch.Tensor:
        """int64 (n,) -> the prepared inputs at these positions, float32 (n, ...)."""
        ...

    def raw(self) -> np.ndarray | None:
        """What is held in memory, for a fingerprint; None when nothing is."""
        ...


class RowStore:
    """Prepared rows, float32 (N, ...), all in memory."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = torch.from_numpy(np.ascontiguousarray(rows))

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: torch.Tensor) -> torch.Tensor:
        return self.rows.index_select(0, indices)

    def raw(self) -> np.ndarray:
        return self.rows.numpy()


class PixelStore:
    """Decoded pictures, uint8 (N, *card.shape), in memory; normalised when they are taken."""

    def __init__(self, pixels: np.ndarray, card: ImageInput) -> None:
        self.pixels, self.card = pixels, card

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(normalize(self.pixels[indices.numpy()], self.card))

    def raw(self) -> np.ndarray:
        return self.pixels


class FileStore:
    """Picture files, decoded by several threads when they are taken: for sets that do not fit in memory."""

    def __init__(self, paths: Sequence[Path], card: ImageInput, workers: int | None = None) -> None:
        self.paths, self.card = list(paths), card
        self._pool = ThreadPoolExecutor(workers or os.cpu_count(), thread_name_prefix="decode")

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: torch.Tensor) -> torch.Tensor:
        pixels = list(self._pool.map(lambda index: decode(self.paths[index], self.card), indices.tolist()))
        return torch.from_numpy(normalize(np.stack(pixels), self.card))

    def raw(self) -> None:
        return None


def store_pixels(pixels: np.ndarray, card: ImageInput) -> Store:
    """uint8 (N, *card.shape) -> a store: float32 in memory while that is small, else uint8."""
    if pixels.size * 4 <= FLOAT_BYTES:
        return RowStore(normalize(pixels, card))
    return PixelStore(pixels, card)
