"""Targets: which runtime or board opens which versions of ONNX, and how a file is brought there."""

from exporters.targets.checking import TargetCheck, check_target, runs_on
from exporters.targets.converting import Change, Wanted, bring_to, wanted
from exporters.targets.lowering import opset_version
from exporters.targets.runtimes import Target, every_target, find_target

__all__ = [
    "Change",
    "Target",
    "TargetCheck",
    "Wanted",
    "bring_to",
    "check_target",
    "every_target",
    "find_target",
    "opset_version",
    "runs_on",
    "wanted",
]
