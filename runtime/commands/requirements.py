"""The packages of an extra that a command needs."""

from __future__ import annotations

from importlib.util import find_spec

from runtime.errors import MissingPackageError

__all__ = ["need"]


def need(what: str, *packages: str) -> None:
    """Raise MissingPackageError when a package of the extra `train` is not installed; `what` is the thing that needs it."""
    for package in packages:
        if find_spec(package) is None:
            raise MissingPackageError(what, package, "train")
