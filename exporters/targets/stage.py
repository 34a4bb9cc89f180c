"""Target stage: convert the file to versions that the target opens."""

from __future__ import annotations

from exporters.job import ExportJob
from exporters.settings import ExportSettings
from exporters.targets.converting import RequestedVersions, convert_versions, requested_versions

__all__ = ["run_target", "target_words"]


def target_words(settings: ExportSettings) -> str | None:
    """Description of the stage, or None where no target or version is requested.

    Raises:
        SpecError: there is no such target or version.
    """
    asked = _versions_of(settings)
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


def run_target(job: ExportJob) -> str:
    """Convert the file to the requested versions. Raises CheckFailed where an operator has no counterpart there."""
    asked = _versions_of(job.settings)
    change = convert_versions(job.path, asked)
    facts = change.to_dict()
    if asked.target is not None:
        facts.update(name=asked.target.name, source=asked.target.source, note=asked.target.note)
        if asked.target.note:
            job.notes.append(f"{asked.target.name}: {asked.target.note}")
    job.facts["target"] = facts
    if change.changed:
        job.parity = None
    return str(change) if asked.target is None else f"{asked.target.name}: {change}"


def _versions_of(settings: ExportSettings) -> RequestedVersions:
    return requested_versions(settings.target, settings.opset_version, settings.ir_version)
