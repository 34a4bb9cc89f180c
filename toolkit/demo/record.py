"""Record of a demo for its report: steps, figures and results."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.console import seconds_text, table
from runtime.picture_index import Neighbours
from runtime.results import Classification
from runtime.session.bench import Timing
from toolkit.builder.summary import Summary

__all__ = ["Demo", "Step"]


@dataclass(frozen=True)
class Step:
    """One step: its action, its measurement and its duration."""

    name: str
    what: str
    measured: str
    seconds: float


@dataclass
class Demo:
    """All content of the report."""

    folder: Path
    steps: list[Step] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    summary: Summary | None = None
    export: Any = None
    predictions: list[Classification] = field(default_factory=list)
    truth: list[str] = field(default_factory=list)
    neighbours: list[Neighbours] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {"folder": str(self.folder), **self.facts, "steps": [vars(step) for step in self.steps]}

    def closing(self) -> str:
        """Closing text: the table of steps and measurements, and the next commands."""
        rows = [(step.name, step.what, step.measured, seconds_text(step.seconds)) for step in self.steps]
        total = seconds_text(sum(step.seconds for step in self.steps))
        model, picture = self.folder / "model.onnx", self.predictions[0].source
        return "\n".join(
            [
                "",
                table(("step", "what", "measured", "time"), rows, footer=("all", "", "", total), right=(3,)),
                "",
                f"look at {self.folder / 'report.html'} in a browser",
                f"next: toolkit predict {model} {picture}",
                f"      toolkit search {self.folder / 'index'} {picture} --picture neighbours.png",
                f"      toolkit info {model}",
            ]
        )
