"""Producer names and versions of the files."""

from __future__ import annotations

import importlib.metadata

__all__ = ["producer"]


def producer() -> dict[str, str]:
    """Names and versions of this package and of torch, for a model's card."""
    versions = {}
    for name in ("onnx-edge-toolkit", "torch"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed as a package"
    return versions
