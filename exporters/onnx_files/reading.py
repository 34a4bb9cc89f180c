"""The graph of an ONNX file, read without its external data."""

from __future__ import annotations

from pathlib import Path

import onnx

from runtime.errors import ModelFileError
from runtime.regular_file import require_file
from runtime.session.structure import check_structure

__all__ = ["read_graph"]


def read_graph(path: Path) -> onnx.ModelProto:
    """Read a model without its external data. Raises ModelFileError where the file is not an ONNX model, or unfolds to too much."""
    require_file(path, ModelFileError, "an ONNX file")
    check_structure(path)
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's, of its own kind in every version
        raise ModelFileError(f"{path} cannot be read as an ONNX graph: {error}. Fetch or export it again.") from error
