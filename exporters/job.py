"""Export job: the state that the stages of an export pass on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from exporters.settings import ExportSettings, Tolerance
from exporters.subject.subject import Subject
from exporters.verifying.verify import Parity, References

__all__ = ["Background", "ExportJob", "Stage"]


class Background(Protocol):
    """Background work of a later stage, started early in a child process."""

    def stop(self) -> None:
        """Stop the child process; its output is not used."""


@dataclass
class ExportJob:
    """State of one export in progress.

    Attributes:
        subject: the network, its samples, its axes, and what the card will say.
        settings: of the export.
        path: the current file, in a folder of its own; a stage replaces it.
        references: torch's outputs on every probe.
        tolerance: allowed difference from torch from here on; a stage that changes the arithmetic widens it.
        notes: deviations from the request.
        facts: results of the stages, for the report: stage -> plain containers.
        parity: of the current file; None once a stage has changed it.
        checks: further checks of the final file, besides the comparison with torch; each raises CheckFailed.
        background: the simplifier that runs in the background, or None.
        say: callback for progress messages within a stage.
    """

    subject: Subject
    settings: ExportSettings
    path: Path
    references: References
    tolerance: Tolerance
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    parity: Parity | None = None
    checks: list[Callable[[Path], Any]] = field(default_factory=list)
    background: Background | None = None
    say: Callable[[str], None] = lambda _text: None


# Replaces `job.path` and says in words what it did. Raises CheckFailed where the export must be refused.
Stage: TypeAlias = Callable[[ExportJob], str]
