"""Every error a user can cause.

    ToolkitError                     exit code 2 unless said otherwise
    ├── SpecError                    a layer, an argument or a shape in the builder
    ├── InputError                   an image, a table or an array that cannot be used
    ├── OutputError                  a network's answer to an input is NaN or infinite
    ├── ModelFileError               an ONNX file that cannot be opened or run
    ├── CardError                    a model card that is missing a field or malformed
    ├── CheckpointError              a .pth file that cannot be read, or is not ours
    ├── VectorIndexError             a vector index that cannot be opened, or refuses a vector
    ├── DeviceError                  the device that was required cannot run the model
    ├── MissingPackageError          an optional package is needed; names the extra to install
    └── CheckFailed                  a verification did not pass; exit code 1

What is only told is a ToolkitWarning.

A message is one paragraph that says what was given, what was expected and what to do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

__all__ = [
    "CardError",
    "CheckFailed",
    "CheckpointError",
    "DeviceError",
    "InputError",
    "MissingPackageError",
    "ModelFileError",
    "OutputError",
    "SpecError",
    "ToolkitError",
    "ToolkitWarning",
    "VectorIndexError",
    "install_command",
    "suggest",
]


# Extras of which pip installs nothing for an older Python.
_LEAST_PYTHON = {"train": (3, 11)}

# Names that a message lists; a hundred would bury what it says.
_LISTED = 40


class ToolkitWarning(UserWarning):
    """Base of what the toolkit tells and goes on; commands write it to standard error, and into their JSON as ``warnings``."""


class ToolkitError(Exception):
    """Base of every error a user can cause. `exit_code` is what the command line exits with."""

    exit_code = 2


class SpecError(ToolkitError):
    """A layer, an argument or a shape in a network's description does not fit."""


class InputError(ToolkitError):
    """An image, a table or an array cannot be read or does not fit the model."""


class OutputError(ToolkitError):
    """A network's answer to an input is NaN or infinite, and says nothing."""


class ModelFileError(ToolkitError):
    """An ONNX file cannot be opened or run."""


class CardError(ToolkitError):
    """A model card lacks a field, has a malformed one, or does not offer what was asked."""


class CheckpointError(ToolkitError):
    """A checkpoint cannot be read, or is not one of ours."""


class VectorIndexError(ToolkitError):
    """A vector index cannot be opened, or refuses what it was given."""


class DeviceError(ToolkitError):
    """The device that was required cannot run the model."""


class MissingPackageError(ToolkitError):
    """An optional package is needed.

    Args:
        what: the thing that needs it, such as ``toolkit train``.
        package: the package that is missing.
        extra: the extra of this distribution that brings it.
    """

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the package {package!r}, which is not installed. Install it with: {install_command(extra)}"
        )
        self.package = package
        self.extra = extra


def install_command(extra: str) -> str:
    """The command that installs an extra, and the Python that it takes where this one is older."""
    least = _LEAST_PYTHON.get(extra, sys.version_info)
    newer = ""
    if sys.version_info < least:
        newer = f", with Python {least[0]}.{least[1]} or newer; this is {sys.version_info[0]}.{sys.version_info[1]}"
    return f"pip install 'onnx-edge-toolkit[{extra}]'{newer}"


class CheckFailed(ToolkitError):
    """A verification did not pass.

    Args:
        message: the paragraph.
        table: figures that it rests on, in lines below it.
    """

    exit_code = 1

    def __init__(self, message: str, table: str = "") -> None:
        super().__init__(f"{message}\n\n{table}" if table else message)
        self.message = message
        self.table = table


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest known names, or the list of known names, of a long one the beginning."""
    import difflib

    names = sorted(known)
    by_lower = {candidate.lower(): candidate for candidate in names}
    close = [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)]
    if close:
        return " Did you mean " + " or ".join(repr(match) for match in close) + "?"
    rest = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return " Known names: " + ", ".join(names[:_LISTED]) + f"{rest}."
