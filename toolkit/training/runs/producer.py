"""Producer names and versions of the files."""

from __future__ import annotations

import functools
import importlib.metadata

__all__ = ["producer"]


def producer() -> dict[str, str]:
    """Names and versions of this package and of torch, for a model's card."""
    return {name: _version(name) for name in ("onnx-edge-toolkit", "torch")}


@functools.cache
def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed as a package"
