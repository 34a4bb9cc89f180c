"""Conversion to float16: half the size, for devices that compute in it; inputs and outputs stay float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from exporters.isolation.quiet import quiet
from exporters.onnx_files.external_data import save_model
from exporters.precision.blocks import ending_nodes
from exporters.precision.ranges import tensor_ranges
from exporters.precision.rows import Feeds

__all__ = ["write_half"]

# The greatest number of 16-bit floats (IEEE 754 binary16).
_LARGEST = float(np.finfo(np.float16).max)
# How much larger numbers may be on other inputs than on those that were seen.
_MARGIN = 8.0


def write_half(path: Path, output: Path, calibration: Feeds, *, ending: bool = False) -> str:
    """Write the file at `path` with 16-bit weights and arithmetic to `output`; returns the float32 remainder in words.

    With `ending` the nodes after the last products with weights stay in float32: a regression's outputs are brought to the data's
    units there, which 16 bits would round too much.

    Nodes with weights beyond the range of 16-bit floats, and nodes whose numbers came near it on the calibration inputs,
    stay in float32, as do the operators that onnxruntime has no 16-bit form of.
    """
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    model = onnx.load(path)
    named_nodes(model)
    wide = _too_wide(model, path, calibration)
    kept = ending_nodes(model.graph) if ending else frozenset()
    with quiet():
        converted = convert_float_to_float16(
            model, keep_io_types=True, op_block_list=list(DEFAULT_OP_BLOCK_LIST), node_block_list=sorted(wide | kept)
        )
    _without_detours(converted.graph)
    save_model(converted, output)
    if not wide:
        return "float32 inputs and outputs"
    names = ", ".join(sorted(wide)[:3]) + (", ..." if len(wide) > 3 else "")
    return f"float32 inputs and outputs; {len(wide)} nodes stay in float32, for their large numbers ({names})"


def named_nodes(model: onnx.ModelProto) -> None:
    """Give every node of the main graph a unique name, by which it can be excluded."""
    seen: set[str] = set()
    for position, node in enumerate(model.graph.node):
        if not node.name or node.name in seen:
            node.name = f"{node.op_type}_{position}"
        seen.add(node.name)


def _without_detours(graph: onnx.GraphProto) -> None:
    """Remove pairs of casts to and from float16 between two nodes that both stay in float32.

    The converter casts such a node's output to 16 bits, and back for the next node; large numbers become infinite
    on the way.
    """
    casts = {node.output[0]: node for node in graph.node if node.op_type == "Cast"}
    narrow = {name: node for name, node in casts.items() if node.attribute[0].i == onnx.TensorProto.FLOAT16}
    origins = {
        name: narrow[node.input[0]].input[0]
        for name, node in casts.items()
        if node.attribute[0].i == onnx.TensorProto.FLOAT and node.input[0] in narrow
    }
    results = {value.name for value in graph.output}
    for name in results & set(origins):  # the node gives the result itself
        inside, casting = origins.pop(name), casts.pop(name)
        graph.node.remove(casting)
        for node in graph.node:
            node.output[:] = [name if entry == inside else entry for entry in node.output]
            node.input[:] = [name if entry == inside else entry for entry in node.input]
        origins = {entry: name if known == inside else known for entry, known in origins.items()}
    for node in graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = origins.get(name, name)
    used = {name for node in graph.node for name in node.input} | results
    for name in (*origins, *narrow):
        if name not in used:
            graph.node.remove(casts[name])
            used = {entry for node in graph.node for entry in node.input} | results


def _too_wide(model: onnx.ModelProto, path: Path, calibration: Feeds) -> set[str]:
    """Names of the nodes whose values may exceed the float16 range."""
    wide = {
        tensor.name
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
        and (array := onnx.numpy_helper.to_array(tensor)).size
        and np.abs(array).max() > _LARGEST
    }
    wide |= {
        name
        for name, (least, most) in tensor_ranges(path, calibration).items()
        if not max(abs(least), abs(most)) * _MARGIN <= _LARGEST
    }
    return {node.name for node in model.graph.node if wide & {*node.input, *node.output}}
