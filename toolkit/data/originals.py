"""Pictures as they are stored, of any size: for random transforms that come before a resize."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from runtime.card import ImageInput
from runtime.preprocess.pictures import raw_pixels
from runtime.processors import usable_processors

__all__ = ["ArrayOriginals", "FileOriginals", "Originals"]


class Originals(Protocol):
    """N pictures."""

    def take(self, indices: torch.Tensor) -> list[torch.Tensor]:
        """int64 (n,) -> n pictures uint8 (C, height, width), upright and in the card's colour."""
        ...


class ArrayOriginals:
    """Pictures uint8 (N, C, H, W) in memory."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def take(self, indices: torch.Tensor) -> list[torch.Tensor]:
        """As `Originals.take`."""
        return [torch.from_numpy(np.array(self.pixels[index])) for index in indices.tolist()]


class FileOriginals:
    """Picture files, decoded whenever they are taken: at their full size they may not fit in memory.

    Args:
        paths: the files.
        card: says colour and orientation.
        workers: threads that decode; None takes one per core.
    """

    def __init__(self, paths: Sequence[Path], card: ImageInput, workers: int | None = None) -> None:
        self.paths, self.card, self.workers = paths, card, workers
        self._pool: ThreadPoolExecutor | None = None

    def take(self, indices: torch.Tensor) -> list[torch.Tensor]:
        """As `Originals.take`."""
        positions = indices.tolist()
        if len(positions) < 2 or torch.utils.data.get_worker_info() is not None:
            # a worker process is one of several already, and threads do not survive the fork that made it
            return list(map(self._read, positions))
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.workers or usable_processors(), thread_name_prefix="decode")
        return list(self._pool.map(self._read, positions))

    def _read(self, index: int) -> torch.Tensor:
        pixels = raw_pixels(self.paths[index], self.card)
        return torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_pool": None}
