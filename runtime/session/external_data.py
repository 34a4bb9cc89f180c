"""External data check: the second file with the weights of a model (mandatory above 2 GB) is present, whole and the right one.

The exporter writes the second file's name, its size and its SHA-256 digest under one metadata key of the ONNX file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from runtime.errors import ModelFileError

__all__ = ["EXTERNAL_DATA_KEY", "ExternalData", "check_external_data", "describe_external_data", "told_external_data"]

EXTERNAL_DATA_KEY = "onnx_edge_toolkit.external_data"


@dataclass(frozen=True)
class ExternalData:
    """External data of a model: the second file's name (beside the model), size, and SHA-256 digest (hexadecimal)."""

    name: str
    bytes: int
    sha256: str

    def to_json(self) -> str:
        """Entry as one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))


def describe_external_data(path: Path) -> ExternalData:
    """Name, size and digest of the second file at `path`, for the model's metadata. The file is read once."""
    import hashlib

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return ExternalData(path.name, path.stat().st_size, digest.hexdigest())


def told_external_data(metadata: Mapping[str, str]) -> ExternalData | None:
    """Parse the second file's name, size and digest from a model's metadata; None where absent or malformed."""
    try:
        told = json.loads(metadata[EXTERNAL_DATA_KEY])
        return ExternalData(str(told["name"]), int(told["bytes"]), str(told["sha256"]))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return None


def _is_file(place: Path) -> bool:
    try:
        return place.is_file()
    except (OSError, ValueError):  # a name that is too long, or that holds a null character
        return False


def check_external_data(path: Path, metadata: Mapping[str, str], *, digest: bool = False) -> ExternalData | None:
    """Check the second file of the model at `path` against the model's metadata.

    Args:
        path: the model.
        metadata: of the model.
        digest: read the whole file and compare its digest; else its size only, which costs nothing.

    Returns:
        The metadata's entry, or None where the model has none.

    Raises:
        ModelFileError: the file is missing, or is another one.
    """
    told = told_external_data(metadata)
    if told is None:
        return None
    place = path.parent / told.name
    remedy = f"Copy {path.name} and {told.name:.200} together from where they were made, or export the model again."
    if Path(told.name).name != told.name or not _is_file(place):
        raise ModelFileError(f"{path} keeps its weights in {told.name:.200}, which does not lie beside it. {remedy}")
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
