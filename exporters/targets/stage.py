"""The stage of an export that brings the file to the versions a target opens."""

from __future__ import annotations

from exporters.settings import ExportSettings
from exporters.targets.converting import Wanted, bring_to, wanted
from exporters.work import Work

__all__ = ["run_target", "target_words"]


def target_words(settings: ExportSettings) -> str | None:
    """What the stage is going to do, or None where nothing is asked for.

    Raises:
        SpecError: there is no such target or version.
    """
    asked = _wanted(settings)
    said = []
    if asked.target is not None:
        said.append(
            f"{asked.target.name}: opset up to {asked.target.opset}, IR version up to {asked.target.ir_version}"
        )
    if asked.opset is not None:
        said.append(f"opset {asked.opset}")
    if asked.ir_version is not None:
        said.append(f"IR version {asked.ir_version}")
    return "; ".join(said) or None


def run_target(work: Work) -> str:
    """Rewrite the file in the versions asked for. Raises CheckFailed where an operator has no counterpart there."""
    asked = _wanted(work.settings)
    change = bring_to(work.path, asked)
    facts = change.to_dict()
    if asked.target is not None:
        facts.update(name=asked.target.name, source=asked.target.source, note=asked.target.note)
        if asked.target.note:
            work.notes.append(f"{asked.target.name}: {asked.target.note}")
    work.facts["target"] = facts
    if change.changed:
        work.parity = None
    return str(change) if asked.target is None else f"{asked.target.name}: {change}"


def _wanted(settings: ExportSettings) -> Wanted:
    return wanted(settings.target, settings.opset_version, settings.ir_version)
