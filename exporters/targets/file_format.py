"""IR version of the file format, and the features of each version (onnx/onnx.proto, "Version")."""

from __future__ import annotations

import onnx
from onnx import TensorProto

from exporters.onnx_files.external_data import every_tensor
from exporters.targets.scope import subgraphs
from runtime.errors import CheckFailed

__all__ = ["OLDEST_IR", "newest_ir", "set_ir_version"]

OLDEST_IR = 4
"""Before it every initialiser had to be an input as well."""

# Element type -> the version that it came with.
_ELEMENTS = {
    "FLOAT8E4M3FN": 9,
    "FLOAT8E4M3FNUZ": 9,
    "FLOAT8E5M2": 9,
    "FLOAT8E5M2FNUZ": 9,
    "UINT4": 10,
    "INT4": 10,
    "FLOAT4E2M1": 11,
    "FLOAT8E8M0": 12,
    "UINT2": 13,
    "INT2": 13,
}
_FUNCTIONS, _METADATA, _DEVICES = 8, 10, 11


def newest_ir() -> int:
    """Newest IR version that the installed onnx package writes."""
    return int(onnx.IR_VERSION)


def set_ir_version(model: onnx.ModelProto, version: int) -> None:
    """Set the IR version, and remove metadata that it does not support.

    Raises:
        CheckFailed: the model holds functions or element types that the version does not support.
    """
    if version < _FUNCTIONS and model.functions:
        raise CheckFailed(
            f"The file has functions of its own ({model.functions[0].name}), which IR version {version} does not know. Ask for "
            f"IR version {_FUNCTIONS} or newer."
        )
    for name, first in _ELEMENTS.items():
        kind = TensorProto.DataType.Value(name) if name in TensorProto.DataType.keys() else None  # noqa: SIM118
        if version < first and kind is not None and any(tensor.data_type == kind for tensor in every_tensor(model)):
            raise CheckFailed(
                f"The file holds {name} numbers, which came with IR version {first}; {version} was asked for. Ask for "
                f"IR version {first} or newer, or for another precision."
            )
    if version < _METADATA:
        _strip_metadata(model.graph)
    if version < _DEVICES:
        model.ClearField("configuration")
    model.ir_version = version


def _strip_metadata(graph: onnx.GraphProto) -> None:
    """Remove the metadata of nodes and values, which records their origin and changes no result."""
    for entry in (graph, *graph.input, *graph.output, *graph.initializer, *graph.value_info, *graph.node):
        del entry.metadata_props[:]
    for node in graph.node:
        node.ClearField("overload")
        node.ClearField("device_configurations")
        for inner in subgraphs(node):
            _strip_metadata(inner)
