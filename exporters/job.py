"""What the stages of an export hand on to each other."""

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
    """Work that has begun before its stage comes, in a child process."""

    def stop(self) -> None:
        """End it; whatever it wrote is not used."""


@dataclass
class ExportJob:
    """One export under way.

    Attributes:
        subject: the network, its samples, its axes, and what the card will say.
        settings: what was asked for.
        path: the file as it stands, in a folder of its own; a stage replaces it.
        references: what torch says on every probe.
        tolerance: what the file may differ by from here on; a stage that changes the arithmetic widens it.
        notes: what was done differently from what was asked.
        facts: what the stages found out, for the report: stage -> plain containers.
        parity: of the file as it stands; None once a stage has changed it.
        checks: what the final file must pass besides the comparison with torch; each raises CheckFailed.
        background: the simplifier that has begun already, or None.
        say: told what is going on within a stage.
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
