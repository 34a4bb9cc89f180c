"""Embedding: one vector per row, close to those of similar inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.card import ModelCard

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Embedding", "decode_embedding"]


@dataclass(frozen=True, slots=True)
class Embedding:
    """The embedding of one row: float32 (D,)."""

    values: npt.NDArray[np.float32]
    source: str | None = None

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON; `top` is without meaning here."""
        return {"source": self.source, "embedding": self.values.tolist()}

    def text_cells(self, top: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(column names, cells) of a line of text: how many numbers, and the first four."""
        first = " ".join(f"{value:.4g}" for value in self.values[:4])
        return ("numbers", "first"), (str(len(self.values)), first + (" ..." if len(self.values) > 4 else ""))

    def csv_cells(self, top: int) -> tuple[list[str], list[str]]:
        """(column names, cells) of a line of CSV: every number."""
        return [f"d{index}" for index in range(len(self.values))], [repr(float(value)) for value in self.values]


def decode_embedding(values: npt.NDArray[Any], card: ModelCard, sources: Sequence[str | None]) -> list[Embedding]:
    """Decode vectors (N, ...) -> N results of D numbers each."""
    rows = values.reshape(len(values), -1)
    return [Embedding(row.astype(np.float32, copy=False), source) for row, source in zip(rows, sources, strict=True)]
