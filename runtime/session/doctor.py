"""Environment check: versions, devices, missing packages and how to install them."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runtime.errors import ToolkitError, install_command
from runtime.processors import usable_processors
from runtime.session.providers import cuda_obstacle, onnxruntime, tensorrt_obstacle, wheel_conflict
from runtime.session.trial import try_onnxruntime

__all__ = ["Finding", "examine"]

_EXTRAS: dict[str, Sequence[str]] = {
    "runtime": ("numpy", "pillow", "click"),
    "cpu or gpu": ("onnxruntime", "onnxruntime-gpu"),
    "train": ("torch", "torchvision", "onnx", "onnxscript", "onnxsim", "torchmetrics", "matplotlib", "rich", "jinja2"),
}


@dataclass(frozen=True)
class Finding:
    """One finding: subject, state, whether it is well, and the remedy where it is not."""

    subject: str
    state: str
    well: bool = True
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return dict(vars(self))


def examine() -> list[Finding]:
    """Examine Python, the machine, the packages and every device. Nothing is changed."""
    found = [
        Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("processor", _processors()),
    ]
    for extra, packages in _EXTRAS.items():
        versions = {package: _version(package) for package in packages}
        have = ", ".join(f"{package} {version}" for package, version in versions.items() if version)
        missing = [package for package, version in versions.items() if version is None]
        if extra == "cpu or gpu":
            well = len(missing) < len(packages)
            found.append(
                Finding(
                    "onnxruntime", have or "not installed", well, "" if well else "pip install 'onnx-edge-toolkit[cpu]'"
                )
            )
        elif extra == "train" and missing:
            remedy = f"{install_command('train')} (only needed to train and export)"
            found.append(Finding(extra, f"{have or 'nothing'}; missing: {', '.join(missing)}", True, remedy))
        else:
            found.append(Finding(extra, have, not missing))
    conflict = wheel_conflict()
    if conflict:
        found.append(Finding("wheels", "onnxruntime and onnxruntime-gpu are both installed", False, conflict))
    return found + _devices()


def _devices() -> list[Finding]:
    failure = try_onnxruntime()
    if failure is not None:  # importing it here would end this process as well
        return [Finding("device cpu", f"cannot run: {failure.reason}", False, failure.remedy)]
    try:
        providers = onnxruntime().get_available_providers()
    except ToolkitError as error:
        return [Finding("device cpu", "cannot run", False, str(error))]
    found = [Finding("device cpu", "ready" if "CPUExecutionProvider" in providers else "cannot run")]
    for name, obstacle in (("cuda", cuda_obstacle(0)), ("tensorrt", tensorrt_obstacle(0))):
        state = "ready" if obstacle is None else f"not available: {obstacle.reason}"
        found.append(Finding(f"device {name}", state, True, "" if obstacle is None else obstacle.remedy))
    return found


def _processors() -> str:
    usable, known = usable_processors(), os.cpu_count() or 1
    return f"{known} cores" + (f", of which this process may use {usable}" if usable < known else "")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
