"""Checkpoint or torch module -> one verified ONNX file."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exporters.comparing.checking import check, compare_networks
    from exporters.comparing.comparison import Comparison
    from exporters.pipeline import export, plan_export
    from exporters.report import Report

__all__ = ["Comparison", "Report", "check", "compare_networks", "export", "plan_export"]

_HOMES = {
    "Report": "exporters.report",
    "Comparison": "exporters.comparing.comparison",
    "check": "exporters.comparing.checking",
    "compare_networks": "exporters.comparing.checking",
    "export": "exporters.pipeline",
    "plan_export": "exporters.pipeline",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used; a missing package names the extra to install."""
    if name not in _HOMES:
        raise AttributeError(f"module 'exporters' has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        from runtime.errors import MissingPackageError

        if error.name is None or error.name.partition(".")[0] in ("exporters", "toolkit", "runtime", "model_zoo"):
            raise
        raise MissingPackageError("Exporting a network", error.name.partition(".")[0], "train") from error
