"""Target check: compatibility of any ONNX file with a target."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from exporters.targets.converting import RequestedVersions, versions_for
from exporters.targets.lowering import lower, opset_version
from exporters.targets.operators import foreign_operators, unknown_operators, wrong_types
from exporters.targets.quirks import LAST_OPSET_WITH_RESHAPE_QUIRK, refused_reshapes
from exporters.targets.runtimes import ONNXRUNTIME_RELEASES, Target, every_target, find_target
from runtime.console import written_lines
from runtime.errors import CheckFailed, ModelFileError, ToolkitError
from runtime.session.structure import check_structure

__all__ = ["TargetCheck", "check_target", "runs_on"]


@dataclass(frozen=True)
class TargetCheck:
    """Result of a target check.

    Attributes:
        target: the runtime or board.
        opset, ir_version: the file's versions.
        problems: reasons for which the target would refuse the file, one sentence each; empty where it opens the file.
        remedy: what to do about the problems.
    """

    target: Target
    opset: int
    ir_version: int
    problems: tuple[str, ...]
    remedy: str = ""

    @property
    def passed(self) -> bool:
        """True where the target opens the file, as far as its published versions tell."""
        return not self.problems

    def require(self) -> None:
        """Raise CheckFailed with all problems where there are any."""
        if self.problems:
            raise CheckFailed(f"{self.target.name} would refuse the file: {' '.join(self.problems)} {self.remedy}")

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {
            "target": self.target.name,
            "passed": self.passed,
            "opset": self.opset,
            "newest_opset": self.target.opset,
            "ir_version": self.ir_version,
            "newest_ir_version": self.target.ir_version,
            "problems": list(self.problems),
            "remedy": self.remedy,
            "source": self.target.source,
            "note": self.target.note,
        }

    def __str__(self) -> str:
        where = f"{self.target.name} (opset up to {self.target.opset}, IR version up to {self.target.ir_version})"
        found = f"the file has opset {self.opset} and IR version {self.ir_version}"
        note = f" ({self.target.note})" if self.target.note else ""
        if self.passed:
            return f"{where}: {found}, and every operator is allowed{note}"
        return written_lines([f"{where}: {found}", *(f"  {problem}" for problem in self.problems), f"  {self.remedy}"])


def check_target(path: str | os.PathLike[str], target: str | Target) -> TargetCheck:
    """Check a file against a target: its versions, and every operator with its input types.

    Needs neither torch nor the card. The file is not run.

    Raises:
        SpecError: there is no such target.
        ModelFileError: the file is no ONNX model.
    """
    known = find_target(target) if isinstance(target, str) else target
    model = _load(Path(path))
    opset, ir_version = opset_version(model), int(model.ir_version)
    problems = [f"Its opset {opset} is newer than {known.opset}, the newest that is known there."] * (
        opset > known.opset
    )
    if opset < known.oldest_opset:
        problems.append(f"Its opset {opset} is older than {known.oldest_opset}, the oldest that is taken there.")
    if ir_version > known.ir_version:
        problems.append(
            f"Its IR version {ir_version} is newer than {known.ir_version}, the newest that is opened there."
        )
    unknown = unknown_operators(model, min(opset, known.opset))
    if unknown:
        problems.append(f"There are no operators {', '.join(unknown)} at opset {min(opset, known.opset)}.")
    foreign = foreign_operators(model, known)
    if foreign:
        problems.append(f"The operators {', '.join(foreign)} are not ONNX's own, and not known to be there.")
    wrong = wrong_types(model, opset)
    if wrong:
        problems.append(f"Opset {opset} has no {', '.join(wrong)}.")
    if reshapes := _refused_reshapes(model, opset, known):
        problems.append(f"Reshape with allowzero=1 beside a length of -1 ({reshapes}) is refused there.")
    return TargetCheck(known, opset, ir_version, tuple(problems), _remedy(model, known) if problems else "")


def runs_on(model: onnx.ModelProto) -> list[str]:
    """Names of the targets that support a model's versions and operator sets, ONNX Runtime's releases as one name.

    Cheap: the graph is gone through once, and nothing is run.
    """
    opset, ir_version = opset_version(model), int(model.ir_version)

    def fits(target: Target) -> bool:
        if not (target.oldest_opset <= opset <= target.opset and ir_version <= target.ir_version):
            return False
        return not foreign_operators(model, target) and not _refused_reshapes(model, opset, target)

    fitting = [target for target in every_target() if fits(target)]
    releases = [target.name for target in fitting if target.is_onnxruntime and target.name.startswith("onnxruntime==")]
    others = [target.name for target in fitting if target.name not in releases]
    if not releases:
        return others
    all_later = len(releases) == len(ONNXRUNTIME_RELEASES) - _position(releases[0])
    return [releases[0].replace("==", ">="), *others] if all_later else [*releases, *others]


def _refused_reshapes(model: onnx.ModelProto, opset: int, target: Target) -> int:
    """Number of Reshape nodes that a release refuses although its versions allow them (see quirks)."""
    if not target.is_onnxruntime or max(opset, target.opset) > LAST_OPSET_WITH_RESHAPE_QUIRK:
        return 0
    return refused_reshapes(model)


def _position(name: str) -> int:
    names = [target.name for target in every_target()]
    return names.index(name)


def _remedy(model: onnx.ModelProto, target: Target) -> str:
    """Remedy text: tries to lower the model to the target's versions, and says what to export or replace."""
    opset, _ = versions_for(opset_version(model), int(model.ir_version), RequestedVersions(target))
    if foreign_operators(model, target):
        return "Export the network again without those operators, or choose a runtime that has them."
    try:
        if opset < opset_version(model):
            lower(model, opset)
    except ToolkitError as error:
        return f"It cannot be said in opset {opset} either: {error}. Replace that layer, or choose a newer version."
    except Exception:  # onnx's own, about a model that is broken otherwise
        return "Export the network again; this file is not well-formed."
    return f"Export the network again with --target {target.name}, which writes opset {opset}."


def _load(path: Path) -> onnx.ModelProto:
    check_structure(path)
    try:
        model = onnx.load(path, load_external_data=False)
        opset_version(model)
    except OSError as error:
        raise ModelFileError(
            f"{path} cannot be read: {error.strerror or error}. Name an ONNX file that exists."
        ) from error
    except Exception as error:  # protobuf's own, or no operator set
        raise ModelFileError(
            f"{path} is no ONNX model: it cannot be parsed. Name a file such as model.onnx."
        ) from error
    return model
