"""What an export did, as a table and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporters.verify import Parity
from runtime.card import ModelCard
from runtime.console import bytes_text, seconds_text, table

__all__ = ["Report", "Stage"]


@dataclass(frozen=True)
class Stage:
    """One stage: its file's nodes and bytes, the worst difference from torch measured on it, and what it says."""

    name: str
    nodes: int
    bytes: int
    worst_difference: float
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Report:
    """An export that passed: `str()` of it is the table.

    Attributes:
        path: the file.
        stages: trace, simplify, stamp, verify.
        parity: what the last verification measured.
        card: the card in the file.
        opset, ir_version: of the file.
        notes: what was done differently from what was asked.
    """

    path: Path
    stages: tuple[Stage, ...]
    parity: Parity
    card: ModelCard
    opset: int
    ir_version: int
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {
            "path": str(self.path),
            "bytes": self.stages[-1].bytes,
            "opset": self.opset,
            "ir_version": self.ir_version,
            "stages": [vars(stage) for stage in self.stages],
            "parity": self.parity.to_dict(),
            "notes": list(self.notes),
            "card": self.card.to_dict(),
        }

    def __str__(self) -> str:
        rows = [
            (
                stage.name,
                stage.nodes,
                bytes_text(stage.bytes),
                f"{stage.worst_difference:.1e}",
                seconds_text(stage.seconds),
                stage.note,
            )
            for stage in self.stages
        ]
        return table(("stage", "nodes", "bytes", "worst difference", "time", ""), rows, right=(1, 2, 3, 4))
