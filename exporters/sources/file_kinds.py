"""File kind detection by content, never by name; nothing in the file is executed."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal, TypeAlias

from runtime.errors import CheckpointError
from runtime.regular_file import require_file

__all__ = ["FileKind", "kind_of"]

FileKind: TypeAlias = Literal["torch", "safetensors", "program", "torchscript", "onnx", "unknown"]

_LONGEST_HEADER = 100_000_000  # of a safetensors file, by its own specification


def kind_of(path: Path) -> FileKind:
    """Kind of a file.

    - "torch": written by torch.save, whatever is in it.
    - "safetensors": eight bytes of length, then a JSON header (https://huggingface.co/docs/safetensors).
    - "program": an ExportedProgram, as torch.export.save writes it.
    - "torchscript": as torch.jit.save writes it.
    - "onnx": a model that is exported already.
    - "unknown": none of these, or cut short.

    Raises:
        CheckpointError: there is no such file, or it cannot be read.
    """
    require_file(path, CheckpointError)
    try:
        with path.open("rb") as file:
            head = file.read(16)
        if head[:4] == b"PK\x03\x04":
            return _kind_of_archive(path)
        size = path.stat().st_size
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from error
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 2 <= length <= min(size, _LONGEST_HEADER):
        return "safetensors"
    if head[:1] == b"\x80":
        return "torch"
    # field 1 of a ModelProto, the IR version, is a small number and is written first
    if head[:1] == b"\x08" and 0 < head[1] < 0x40 and path.suffix.lower() in (".onnx", ".ort"):
        return "onnx"
    return "onnx" if path.suffix.lower() == ".onnx" else "unknown"


def _kind_of_archive(path: Path) -> FileKind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError):
        return "unknown"
    inner = {name.partition("/")[2] for name in names}
    if "archive_format" in inner or "serialized_exported_program.json" in names:
        return "program"
    if "constants.pkl" in inner and any(name.startswith("code/") for name in inner):
        return "torchscript"
    return "torch"
