"""Embedding: one vector per row, close to those of similar inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.card import ModelCard
from runtime.results.decoder import Arrays, Decoder, role_output
from runtime.results.fidelity import mean_cosine

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL import Image

__all__ = ["Embedding", "EmbeddingDecoder"]


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

    def draw(self, picture: Image.Image) -> Image.Image:
        """A new RGB picture: `picture` with its length and first numbers below it."""
        from runtime.drawing.caption import captioned

        return captioned(picture, [" numbers: ".join(self.text_cells(1)[1])])


class EmbeddingDecoder(Decoder):
    """One vector per row: (N, ...)."""

    name = "embedding"
    named_by_module = False
    exported = ("embedding",)
    result_role = "embedding"
    predicts = False
    likeness = "cosine with fp32"

    def outputs(self, card: ModelCard) -> tuple[str, ...]:
        """The embedding. Raises CardError for a card without."""
        return (role_output(card, ("embedding",)),)

    def decode(self, outputs: Arrays, card: ModelCard, sources: Sequence[str | None]) -> list[Embedding]:
        """Decode vectors (N, ...) -> N results of D numbers each."""
        values = outputs[self.outputs(card)[0]]
        rows = values.reshape(len(values), -1)
        return [
            Embedding(row.astype(np.float32, copy=False), source) for row, source in zip(rows, sources, strict=True)
        ]

    def alike(self, reference: Arrays, outputs: Arrays, card: ModelCard) -> float:
        """Mean cosine, in percent."""
        name = self.outputs(card)[0]
        return mean_cosine(reference[name], outputs[name])

    def summary(self, card: ModelCard) -> str:
        """One sentence for the model's page."""
        return "A network that turns an input into a vector; like inputs get like vectors."


DECODER = EmbeddingDecoder()
