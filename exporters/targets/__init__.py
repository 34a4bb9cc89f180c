"""Targets: runtimes and boards with the ONNX versions they open, and conversion of files to these."""

from exporters.targets.checking import TargetCheck, check_target, runs_on
from exporters.targets.converting import Change, RequestedVersions, convert_versions, requested_versions
from exporters.targets.lowering import opset_version
from exporters.targets.runtimes import Target, every_target, find_target

__all__ = [
    "Change",
    "RequestedVersions",
    "Target",
    "TargetCheck",
    "check_target",
    "convert_versions",
    "every_target",
    "find_target",
    "opset_version",
    "requested_versions",
    "runs_on",
]
