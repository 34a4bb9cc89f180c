"""Global average pooling: spatial ReduceMean rewritten as GlobalAveragePool, which onnxruntime computes in 8 bits."""

from __future__ import annotations

import onnx

__all__ = ["name_global_pools"]


def name_global_pools(model: onnx.ModelProto) -> int:
    """Replace each ReduceMean over the last two of four axes, kept with length 1, by GlobalAveragePool; count them.

    Both give the same numbers (ONNX, Operators.md). Nodes keep their names and results theirs.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*model.graph.value_info, *model.graph.input)
        if value.type.tensor_type.HasField("shape")
    }
    count = 0
    for node in model.graph.node:
        if node.op_type != "ReduceMean" or ranks.get(node.input[0]) != 4:
            continue
        told = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        axes = told.get("axes")
        if axes is None and len(node.input) > 1 and node.input[1] in constants:
            axes = onnx.numpy_helper.to_array(constants[node.input[1]]).tolist()
        if axes is None or {axis % 4 for axis in axes} != {2, 3} or told.get("keepdims", 1) != 1:
            continue
        node.op_type = "GlobalAveragePool"
        del node.attribute[:]
        del node.input[1:]
        count += 1
    return count
