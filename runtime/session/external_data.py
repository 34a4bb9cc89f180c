"""Weights that lie in a second file beside the model, as those of more than 2 GB must: is it there, whole, and the right one?

The exporter writes the second file's name, its size and its SHA-256 digest under one metadata key of the ONNX file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from runtime.errors import ModelFileError

__all__ = ["EXTERNAL_DATA_KEY", "ExternalData", "check_external_data", "describe_external_data", "told_external_data"]

EXTERNAL_DATA_KEY = "onnx_edge_toolkit.external_data"


@dataclass(frozen=True)
class ExternalData:
    """The second file of a model: its name in the model's folder, its size, and its SHA-256 digest in hexadecimal."""

    name: str
    bytes: int
    sha256: str

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))


def describe_external_data(path: Path) -> ExternalData:
    """What is written into a model about its second file at `path`, which is read once."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ExternalData(path.name, path.stat().st_size, digest)


def told_external_data(metadata: Mapping[str, str]) -> ExternalData | None:
    """What a model's metadata says of its second file, or None where it says nothing that can be read."""
    try:
        told = json.loads(metadata[EXTERNAL_DATA_KEY])
        return ExternalData(str(told["name"]), int(told["bytes"]), str(told["sha256"]))
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def check_external_data(path: Path, metadata: Mapping[str, str], *, digest: bool = False) -> ExternalData | None:
    """Compare the second file of the model at `path` with what the model says of it.

    Args:
        path: the model.
        metadata: of the model.
        digest: read the whole file and compare its digest; else its size only, which costs nothing.

    Returns:
        What the model says, or None where all its weights are inside.

    Raises:
        ModelFileError: the file is missing, or is another one.
    """
    told = told_external_data(metadata)
    if told is None:
        return None
    place = path.parent / told.name
    remedy = f"Copy {path.name} and {told.name} together from where they were made, or export the model again."
    if Path(told.name).name != told.name or not place.is_file():
        raise ModelFileError(f"{path} keeps its weights in {told.name}, which does not lie beside it. {remedy}")
    size = place.stat().st_size
    if size != told.bytes:
        raise ModelFileError(
            f"{place} has {size} bytes; {path} was written with a file of {told.bytes} bytes beside it. {remedy}"
        )
    if digest and describe_external_data(place).sha256 != told.sha256:
        raise ModelFileError(
            f"{place} holds other weights than those that {path} was written with: their SHA-256 digests differ. {remedy}"
        )
    return told
