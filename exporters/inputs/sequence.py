"""Sequences in an export."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from exporters.inputs.kind import InputKind, Script, scaling_lines
from runtime.card import SequenceInput
from runtime.preprocess import split_steps
from runtime.results.script import quoted

__all__ = ["KIND", "SequenceKind"]

Array = np.ndarray[Any, Any]


class SequenceKind(InputKind[SequenceInput]):
    """Sequences."""

    plural: ClassVar[str] = "sequences"
    expected: ClassVar[str] = "an .npz file with `data` (and `lengths`)"
    predicted: ClassVar[str | None] = "ARRAY.npy"
    file_name: ClassVar[str | None] = "sequence.npy"

    def script(self, card: SequenceInput) -> Script:
        """As `InputKind.script`: one sequence per file."""
        filling, number = ("steps of NaN", "np.nan") if card.fill == "nan" else ("zeros", "0")
        lines = [
            "def prepare(path):",
            f'    """A .npy file with one sequence (steps, features): scaled, cut or filled up with {filling} at its end."""',
            f"    values = np.load(path, allow_pickle=False).astype(np.float64).reshape(-1, {card.features})[:{card.length}]",
            *scaling_lines(card.mean, card.std),
            f"    rows = np.full((1, {card.length}, {card.features}), {number}, np.float32)",
            "    rows[0, :len(values)] = values",
            f"    return {{{quoted(card.name)}: rows}}",
        ]
        return Script([], "\n".join(lines), "SEQUENCE.npy")

    def raw_file(self, row: Array, card: SequenceInput) -> tuple[str, bytes]:
        """As `InputKind.raw_file`: an NPY file, without the steps that fill up."""
        buffer = io.BytesIO()
        used = np.flatnonzero(~np.isnan(row).all(axis=1) if card.fill == "nan" else np.any(row != 0, axis=1))
        steps = row[: int(used[-1]) + 1 if used.size else 1].astype(np.float64)
        np.save(buffer, steps * np.array(card.std or 1.0) + np.array(card.mean or 0.0))
        return "sequence.npy", buffer.getvalue()

    def read_raw(self, content: bytes) -> list[Array]:
        """As `InputKind.read_raw`."""
        return [np.load(io.BytesIO(content), allow_pickle=False)]

    def random_rows(
        self, module: torch.nn.Module, card: SequenceInput, rows: int, random: np.random.Generator
    ) -> Array:
        """As `InputKind.random_rows`."""
        return self.with_padding(random.standard_normal((rows, *card.shape), np.float32), card)

    def with_padding(self, rows: Array, card: SequenceInput) -> Array:
        """As `InputKind.with_padding`."""
        if card.fill != "nan" or np.isnan(rows).any():
            return rows
        shorter = rows.copy()
        shorter[1::2, card.length - card.length // 3 :] = np.nan
        return shorter

    def array_items(self, values: Array, lengths: Array | None, card: SequenceInput, place: Path) -> Sequence[Any]:
        """As `InputKind.array_items`: one after the other by their lengths, or of one length each."""
        return split_steps(values, lengths, str(place)) if lengths is not None else list(values)


KIND = SequenceKind()
