"""Regression: one or several numbers per row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.card import ModelCard
from runtime.errors import CardError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Regression", "decode_regression"]


@dataclass(frozen=True, slots=True)
class Regression:
    """The predicted values of one row: float32 (T,), named by `names`."""

    values: npt.NDArray[np.float32]
    names: tuple[str, ...]
    source: str | None = None

    @property
    def value(self) -> float:
        """The first predicted value."""
        return float(self.values[0])

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON; `top` is without meaning here."""
        return {"source": self.source, "values": {n: float(v) for n, v in zip(self.names, self.values, strict=True)}}

    def text_cells(self, top: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(column names, cells) of a line of text: each value under its name."""
        return self.names, tuple(f"{value:.6g}" for value in self.values)

    def csv_cells(self, top: int) -> tuple[list[str], list[str]]:
        """(column names, cells) of a line of CSV: each value under its name, with all its digits."""
        return list(self.names), [repr(float(value)) for value in self.values]


def decode_regression(values: npt.NDArray[Any], card: ModelCard, sources: Sequence[str | None]) -> list[Regression]:
    """Decode values (N, T) -> N results. Raises CardError where the names on the card are not T."""
    rows = values.reshape(len(values), -1)
    names = card.labels or tuple(f"value {index}" for index in range(rows.shape[1]))
    if len(names) != rows.shape[1]:
        raise CardError(f"The card names {len(names)} values, but the model gives {rows.shape[1]}. Export it again.")
    return [Regression(row, names, source) for row, source in zip(rows, sources, strict=True)]
