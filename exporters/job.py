"""Export job: the state that the stages of an export pass on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from exporters.settings import ExportSettings, Tolerance
from exporters.subject.subject import Subject
from exporters.verifying.verify import Parity, References

__all__ = ["ExportJob", "Stage", "StageResult"]


@dataclass(frozen=True)
class ExportJob:
    """State of one export in progress. A stage is given one, and returns another.

    Attributes:
        subject: the network, its samples, its axes, and what the card will say.
        settings: of the export.
        path: the current file, in a folder of its own; a stage replaces it.
        references: torch's outputs on every probe.
        tolerance: allowed difference from torch from here on; a stage that changes the arithmetic widens it.
        notes: deviations from the request.
        facts: results of the stages, for the report: stage -> plain containers.
        parity: of the current file; None where it was not measured since it changed.
        checks: further checks of the final file, besides the comparison with torch; each raises CheckFailed.
        on_traced: called with the file whenever a route of the trace wrote one, before it is compared.
        say: callback for progress messages within a stage.
    """

    subject: Subject
    settings: ExportSettings
    path: Path
    references: References
    tolerance: Tolerance
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    parity: Parity | None = None
    checks: tuple[Callable[[Path], Any], ...] = ()
    on_traced: Callable[[Path], None] = lambda _path: None
    say: Callable[[str], None] = lambda _text: None

    def noted(self, *notes: str) -> ExportJob:
        """The same with further notes."""
        return replace(self, notes=(*self.notes, *notes))

    def with_facts(self, stage: str, facts: Any) -> ExportJob:
        """The same with a stage's results for the report."""
        return replace(self, facts={**self.facts, stage: facts})


@dataclass(frozen=True)
class StageResult:
    """Result of a stage.

    Attributes:
        job: the job after it.
        note: its work in words.
        modified: True if the file, or what it is compared with, is another than before; it is compared with torch again, unless
            the stage did so and gave the job the new parity.
    """

    job: ExportJob
    note: str
    modified: bool = True


# Replaces the file at `job.path`. Raises CheckFailed where the export must be refused.
Stage: TypeAlias = Callable[[ExportJob], StageResult]
