"""Report of an export, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporters.verifying.verify import Parity
from runtime.card import ModelCard
from runtime.console import bytes_text, one_line, seconds_text, table, written_lines

__all__ = ["Report", "StageReport"]


@dataclass(frozen=True)
class StageReport:
    """Report of one stage: its file's nodes and bytes, the worst difference from torch, and its note."""

    name: str
    nodes: int
    bytes: int
    worst_difference: float
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Report:
    """Report of a successful export; `str()` gives the table.

    Attributes:
        path: the file.
        stages: trace, simplify, stamp, verify.
        parity: of the last verification.
        card: the card in the file.
        opset, ir_version: of the file.
        notes: deviations from the request.
        facts: further results of the stages: stage -> plain containers.
    """

    path: Path
    stages: tuple[StageReport, ...]
    parity: Parity
    card: ModelCard
    opset: int
    ir_version: int
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

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
            "facts": dict(self.facts),
            "card": self.card.to_dict(),
        }

    def closing(self) -> str:
        """Closing text for the command line: the table, the notes, the written files and the verified shapes."""
        lines = [str(self), *(one_line(f"note: {note}") for note in self.notes)]
        if "precision" in self.facts:
            lines += ["", str(self.facts["precision"]["table"]), ""]
        shapes = self.parity.shapes_text
        wrote = [f"wrote {self.path} (opset {self.opset}): verified against torch at {shapes}"]
        wrote += [f"wrote {path} ({what})" for what, path in self.facts.get("delivery", {}).items()]
        lines.append(written_lines(wrote))
        return "\n".join(lines)

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
