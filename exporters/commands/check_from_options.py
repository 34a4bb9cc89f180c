"""Options of `toolkit check` (texts) -> a comparison, a target check, or both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporters.commands.option_texts import json_object, lengths, names
from exporters.settings import ABSOLUTE, RELATIVE, Tolerance
from runtime.errors import CheckFailed, InputError

__all__ = ["run_check"]


def run_check(
    first: str, second: str | None, options: Mapping[str, Any]
) -> tuple[dict[str, Any], str, CheckFailed | None]:
    """Compare two networks, check a file against a target, or both.

    Args:
        first, second: a file of any kind, or the name of an architecture; `second` is None for a target check alone.
        options: option name -> value, as the command parsed them.

    Returns:
        (facts for JSON, text, the failure as a CheckFailed or None).

    Raises:
        InputError: options that do not go together.
        The errors of `compare_networks` and of `check_target`.
    """
    target = options["target"]
    if second is None and target is None:
        raise InputError(
            f"One file was given. Name what to compare it with, such as: toolkit check {first} {Path(first).with_suffix('.pth')}, or "
            f"what must run it, such as: toolkit check {first} --target onnxruntime==1.16."
        )
    facts: dict[str, Any] = {}
    texts: list[str] = []
    failures: list[str] = []
    if target is not None:
        from exporters.targets import check_target

        found = check_target(_the_model_file(first, second), target)
        facts["target"] = found.to_dict()
        texts.append(str(found))
        if not found.passed:
            failures.append(f"{found.target.name} would refuse the file: {' '.join(found.problems)} {found.remedy}")
    if second is not None:
        from exporters.comparing.checking import compare_networks

        comparison = compare_networks(
            first,
            second,
            data=options["data"],
            layers=options["layers"],
            tolerance=_tolerance(options["atol"], options["rtol"], options["min_agreement"]),
            **_settings(options),
        )
        facts.update(comparison.to_dict())
        texts += [str(comparison), comparison.closing()]
        if not comparison.passed:
            layers = [comparison.layers.words()] if comparison.layers is not None else []
            more = [] if layers else ["Run it with --layers to see where they part."]
            if comparison.tolerance.root_mean_square is not None and options["min_agreement"] is None:
                more.append("Of a lower precision, --min-agreement 0.99 lets the labels decide.")
            failures.append(" ".join([*comparison.problems[:3], *layers, *more]))
    facts["passed"] = not failures
    return facts, "\n".join(texts), CheckFailed(" ".join(failures)) if failures else None


def _tolerance(absolute: float | None, relative: float | None, agreement: float | None) -> Tolerance | None:
    """Tolerance from --atol, --rtol, --min-agreement; None without any. The last one alone sets no numeric limit."""
    for flag, value in (("--atol", absolute), ("--rtol", relative), ("--min-agreement", agreement)):
        if value is not None and not (value >= 0 and math.isfinite(value)):
            raise InputError(f"{flag} {value} was given; a number of 0 or more is expected.")
    if agreement is not None and agreement > 1:
        raise InputError(f"--min-agreement {agreement} was given; a share between 0 and 1 is expected, such as 0.99.")
    if absolute is None and relative is None:
        return None if agreement is None else Tolerance(math.inf, 0.0, None, agreement)
    return Tolerance(
        ABSOLUTE if absolute is None else absolute, RELATIVE if relative is None else relative, None, agreement
    )


def _settings(options: Mapping[str, Any]) -> dict[str, Any]:
    found = {"trust": options["trust"]}
    if options["arch"] is not None:
        found["arch"] = options["arch"]
    if options["arch_args"] is not None:
        found["arch_args"] = json_object("--arch-args", options["arch_args"])
    if options["input_size"] is not None:
        found["input_size"] = lengths("--input-size", options["input_size"])
    if options["outputs"] is not None:
        found["outputs"] = names(options["outputs"])
        if not found["outputs"]:
            raise InputError("--outputs names nothing to compare. Name an output, or leave it out for all of them.")
    return found


def _the_model_file(first: str, second: str | None) -> str:
    """ONNX file to check against a target: `first`, or `second` where only that one ends in .onnx."""
    if second is None or Path(first).suffix == ".onnx" or Path(second).suffix != ".onnx":
        return first
    return second
