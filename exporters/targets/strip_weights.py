"""Model without its weights, enough for type inference and checks; onnx copies whole models for these."""

from __future__ import annotations

import onnx
from onnx import helper

__all__ = ["skeleton"]

# Shorter tensors may be lengths and axes, which shapes follow from.
_WEIGHT_BYTES = 1024


def skeleton(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy of a model with its large initialisers as inputs of the same type and shape."""
    graph = onnx.GraphProto(name=model.graph.name or "graph")
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    graph.value_info.extend(model.graph.value_info)
    graph.node.extend(model.graph.node)
    graph.sparse_initializer.extend(model.graph.sparse_initializer)
    given = {value.name for value in graph.input}
    for tensor in model.graph.initializer:
        if tensor.ByteSize() <= _WEIGHT_BYTES and tensor.data_location != onnx.TensorProto.EXTERNAL:
            graph.initializer.append(tensor)
        elif tensor.name not in given:
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    bare = onnx.ModelProto(ir_version=model.ir_version, graph=graph)
    bare.opset_import.extend(model.opset_import)
    bare.functions.extend(model.functions)
    return bare
