"""Version conversion: rewrite a file in versions that a target opens."""

from __future__ import annotations

import collections
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from exporters.onnx_files.external_data import save_model
from exporters.targets.file_format import OLDEST_IR, newest_ir, set_ir_version
from exporters.targets.lowering import OLDEST_OPSET, every_node, lower, opset_version
from exporters.targets.operators import foreign_operators, wrong_types
from exporters.targets.quirks import LAST_OPSET_WITH_RESHAPE_QUIRK, plain_reshapes
from exporters.targets.raising import newest_opset, raise_opset
from exporters.targets.runtimes import Target, find_target
from exporters.targets.scope import CannotLower
from exporters.targets.strip_weights import skeleton
from runtime.errors import CheckFailed, SpecError

__all__ = ["Change", "RequestedVersions", "convert_versions", "requested_versions", "versions_for"]


@dataclass(frozen=True)
class RequestedVersions:
    """Requested versions of a file.

    Attributes:
        target: the runtime or board that must open the file, or None.
        opset, ir_version: exactly these; None keeps the file's own as far as the target allows.
    """

    target: Target | None = None
    opset: int | None = None
    ir_version: int | None = None


@dataclass(frozen=True)
class Change:
    """Changes of a version conversion.

    Attributes:
        opset, ir_version: (before, after).
        replaced: operator -> number of nodes replaced by other operators.
        reshapes: how many Reshape nodes lost an attribute that some runtimes refuse.
    """

    opset: tuple[int, int]
    ir_version: tuple[int, int]
    replaced: dict[str, int]
    reshapes: int = 0

    @property
    def changed(self) -> bool:
        """True where the file was changed."""
        return self.opset[0] != self.opset[1] or self.ir_version[0] != self.ir_version[1] or self.reshapes > 0

    def __str__(self) -> str:
        said = [
            f"{name} {before} -> {after}" if before != after else f"{name} {after} as it was"
            for name, (before, after) in (("opset", self.opset), ("IR version", self.ir_version))
        ]
        if self.replaced:
            said.append("said by older operators: " + ", ".join(f"{name} ({n})" for name, n in self.replaced.items()))
        return "; ".join(said)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {
            "opset": list(self.opset),
            "ir_version": list(self.ir_version),
            "replaced": dict(self.replaced),
            "reshapes": self.reshapes,
        }


def requested_versions(
    target: str | None = None, opset: int | None = None, ir_version: int | None = None
) -> RequestedVersions:
    """Parse and validate requested versions.

    Raises:
        SpecError: there is no such target or version, or the version is newer than the target knows.
    """
    known = find_target(target) if target is not None else None
    lowest, highest = OLDEST_OPSET, newest_opset()
    if opset is not None and not lowest <= opset <= highest:
        raise SpecError(f"The opset {opset} cannot be written here. Give one from {lowest} to {highest}.")
    if ir_version is not None and not OLDEST_IR <= ir_version <= newest_ir():
        raise SpecError(
            f"The IR version {ir_version} cannot be written here. Give one from {OLDEST_IR} to {newest_ir()}."
        )
    own = _installed()
    if opset is not None and own is not None and opset > own.opset:
        raise SpecError(
            f"The opset {opset} is newer than {own.opset}, the newest that {own.name}, which is installed here, runs, so the file "
            f"could not be compared with torch. Give {own.opset} or older."
        )
    if ir_version is not None and own is not None and ir_version > own.ir_version:
        raise SpecError(
            f"The IR version {ir_version} is newer than {own.ir_version}, the newest that {own.name}, which is installed here, opens, "
            f"so the file could not be compared with torch. Give {own.ir_version} or older."
        )
    if known is not None and opset is not None and not known.oldest_opset <= opset <= known.opset:
        raise SpecError(
            f"The opset {opset} is outside of what {known.name} takes, {known.oldest_opset} to {known.opset}. Leave it out."
        )
    if known is not None and ir_version is not None and ir_version > known.ir_version:
        raise SpecError(
            f"The IR version {ir_version} is newer than {known.ir_version}, the newest that {known.name} opens. Leave it out."
        )
    return RequestedVersions(known, opset, ir_version)


def convert_versions(path: Path, asked: RequestedVersions) -> Change:
    """Convert the file at `path` to the requested versions. Inputs, outputs, their axes and the card stay.

    The operators keep their meaning, but the numbers should be compared afterwards, as the pipeline does.

    Raises:
        CheckFailed: an operator has no counterpart in the older set, or is one that the target does not have. The file is
            left as it was.
    """
    model = onnx.load(path, load_external_data=False)
    before, before_ir = opset_version(model), int(model.ir_version)
    opset, ir_version = versions_for(before, before_ir, asked)
    counts = _counts(model)
    try:
        if opset < before:
            model = lower(model, opset)
        elif opset > before:
            model = raise_opset(model, opset)
    except CannotLower as error:
        raise CheckFailed(
            f"The file cannot be brought from opset {before} to {opset}: {error}. {_remedy(asked, str(error))}"
        ) from error
    reshapes = plain_reshapes(model, computed=opset <= LAST_OPSET_WITH_RESHAPE_QUIRK)
    set_ir_version(model, ir_version)
    _check(model, opset, asked)
    lost = {
        name: count - _counts(model)[name] for name, count in sorted(counts.items()) if count > _counts(model)[name]
    }
    change = Change((before, opset), (before_ir, ir_version), lost if opset < before else {}, reshapes)
    if change.changed:
        save_model(model, path)
    return change


def _installed() -> Target | None:
    """Installed release of ONNX Runtime, on which files are verified; None where it is newer than all known ones."""
    import onnxruntime

    try:
        return find_target(f"onnxruntime=={onnxruntime.__version__.partition('+')[0]}")
    except SpecError:
        return None


def versions_for(opset: int, ir_version: int, asked: RequestedVersions) -> tuple[int, int]:
    """Resulting (opset, ir_version): the given ones, else the file's own, else the newest that the target opens."""
    target = asked.target
    if asked.opset is not None:
        opset = asked.opset
    elif target is not None:
        opset = max(min(opset, target.opset), target.oldest_opset)
    if asked.ir_version is not None:
        ir_version = asked.ir_version
    elif target is not None:
        ir_version = min(ir_version, target.ir_version)
    return opset, ir_version


def _check(model: onnx.ModelProto, opset: int, asked: RequestedVersions) -> None:
    """Raise CheckFailed where the converted model is not well-formed, or the target lacks one of its operators."""
    if asked.target is not None:
        foreign = foreign_operators(model, asked.target)
        if foreign:
            raise CheckFailed(
                f"{asked.target.name} is not known to have the operators {', '.join(foreign)}, which are not ONNX's own. "
                f"{_remedy(asked)}"
            )
    wrong = wrong_types(model, opset)
    if wrong:
        raise CheckFailed(f"Opset {opset} has no {', '.join(wrong)}. {_remedy(asked)}")
    try:
        onnx.checker.check_model(skeleton(model))
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckFailed(f"The file is not well-formed at opset {opset}: {reason}. {_remedy(asked)}") from error


def _counts(model: onnx.ModelProto) -> collections.Counter[str]:
    return collections.Counter(node.op_type for node in every_node(model.graph) if node.op_type != "Constant")


def _remedy(asked: RequestedVersions, reason: str = "") -> str:
    what = f"--target {asked.target.name}" if asked.target is not None else "--opset"
    instead = (
        "take --precision fp32" if "QuantizeLinear" in reason else "replace that layer by one of simpler operators"
    )
    return f"Ask for a newer version than {what} does, or {instead}."
