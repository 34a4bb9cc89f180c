"""Export settings and tolerance, validated before the export starts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from runtime.card import InputCard
from runtime.errors import InputError, SpecError, suggest
from runtime.ordered import ordered

__all__ = ["ABSOLUTE", "RELATIVE", "STRICT", "ExportSettings", "Tolerance", "make_settings"]

Precision = Literal["fp32", "fp16", "int8", "int8-dynamic", "auto"]
Simplifier = Literal["auto", "onnxsim", "onnxslim", "none"]

ABSOLUTE = 1e-5
RELATIVE = 1e-5


@dataclass(frozen=True)
class Tolerance:
    """Allowed difference of the file's outputs from torch's.

    Attributes:
        absolute, relative: a number passes up to absolute + relative * (greatest magnitude of that output).
        root_mean_square: where given, an output passes by this instead: |found - torch| / |torch|, lengths of the whole
            output as vectors. For lower precisions, whose single numbers may be far off where the result is not.
        min_agreement: share of inputs that must get the same label, between 0 and 1.
    """

    absolute: float = ABSOLUTE
    relative: float = RELATIVE
    root_mean_square: float | None = None
    min_agreement: float | None = None


STRICT = Tolerance()
"""What a float32 file may differ by."""


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """Settings of an export. Every field has the default of the command line.

    Attributes:
        outputs: names of the outputs; None takes the task's.
        task, labels, inputs: card fields for a network whose source does not say them.
        arch, arch_args: the architecture that a plain state_dict belongs to, and its arguments.
        preprocess: whether pictures are prepared as for an architecture's published weights: "auto" where it has as many classes
            as these, "published" always, "none" never.
        random_weights: take the architecture with fresh weights, for a test or a measurement.
        trust: open pickled files, which may run any code.
        dynamic: names of the axes of any length; None takes the natural ones of the task, () none.
        allow_static: where an axis cannot be dynamic, fix it and say so.
        input_size: lengths of an input without the batch, for networks that come without samples.
        batch_size: rows of the example, and of the file where the batch is fixed.
        target: a runtime or a board that must run the file.
        opset_version, ir_version: versions by hand.
        precision: of the weights and the arithmetic.
        max_drop: percentage points of accuracy (or of agreement with fp32) that a lower precision may lose.
        allow_slower: keep a lower precision that is slower than fp32 here, for another machine where it is not.
        calibration: real inputs for int8, a folder or file that the card's pre-processing reads; None takes the checkpoint's.
        calibration_method: the method that finds activation ranges.
        evaluation: labelled data that accuracy is measured on; None takes the checkpoint's held-out part.
        simplifier: which one; "auto" takes onnxsim, and onnxslim where that fails.
        embed_preprocess: the file prepares its inputs itself: True also takes uint8 pictures of any size; None only scales the
            columns of tables; False leaves all preparation outside.
        embed_postprocess: post-processing steps in the file, such as "top-k:5".
        tolerance: allowed difference from torch.
        keep_stages: folder for a copy of each stage's file.
        report: path of the Markdown model card.
        bundle: folder for the bundle, with all that is needed to run the file.
        triton: a Triton model repository to put the file into.
        ort: write ONNX Runtime's own format beside the file.
    """

    outputs: tuple[str, ...] | None = None
    task: str | None = None
    labels: tuple[str, ...] = ()
    inputs: tuple[InputCard, ...] | None = None
    arch: str | None = None
    arch_args: Mapping[str, Any] | None = None
    preprocess: Literal["auto", "published", "none"] = "auto"
    random_weights: bool = False
    trust: bool = False
    dynamic: Sequence[str] | Mapping[str, Mapping[int, str]] | None = None
    allow_static: bool = False
    input_size: tuple[int, ...] | None = None
    batch_size: int | None = None
    target: str | None = None
    opset_version: int | None = None
    ir_version: int | None = None
    precision: Precision = "fp32"
    max_drop: float = 0.3
    allow_slower: bool = False
    calibration: str | os.PathLike[str] | None = None
    calibration_method: Literal["minmax", "entropy", "percentile"] = "minmax"
    evaluation: str | os.PathLike[str] | None = None
    simplifier: Simplifier = "auto"
    embed_preprocess: bool | None = None
    embed_postprocess: tuple[str, ...] = ()
    tolerance: Tolerance = STRICT
    keep_stages: str | os.PathLike[str] | None = None
    report: str | os.PathLike[str] | None = None
    bundle: str | os.PathLike[str] | None = None
    triton: str | os.PathLike[str] | None = None
    ort: bool = False


DEFAULTS = ExportSettings()

# Settings that are sequences -> what is expected, in words.
_SEQUENCES = {
    "outputs": "a list of names of outputs",
    "inputs": "a list of input cards",
    "input_size": "a list of lengths, such as (3, 224, 224),",
    "embed_postprocess": "a list of steps, such as ['softmax', 'top-k:5'],",
}


def _in_order(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those settings that are sequences, as tuples. Raises SpecError or InputError for what has no order."""
    found: dict[str, Any] = {}
    labels = given.get("labels")
    if labels is not None and not (isinstance(labels, list | tuple) and not labels):
        from toolkit.data.class_names import class_names

        found["labels"] = class_names(labels, "labels")
    for name, expected in _SEQUENCES.items():
        if given.get(name) is not None:
            found[name] = tuple(ordered(given[name], name, expected))
    if isinstance(given.get("dynamic"), str):
        raise SpecError(
            f"dynamic={given['dynamic']!r} was given; a list of names of axes is expected, such as ['batch']."
        )
    return found


def make_settings(given: Mapping[str, Any]) -> ExportSettings:
    """Settings from keywords. Raises SpecError for an unknown one, InputError for data that does not exist."""
    known = [field.name for field in fields(ExportSettings)]
    for name in given:
        if name not in known:
            raise SpecError(f"export has no setting {name!r}.{suggest(name, known)}")
    settings = ExportSettings(**{**given, **_in_order(given)})
    for name in ("calibration", "evaluation"):
        path = getattr(settings, name)
        if path is not None and not Path(path).exists():
            raise InputError(f"--{name} {path} does not exist. Check the path; it is looked up from {Path.cwd()}.")
    return settings
