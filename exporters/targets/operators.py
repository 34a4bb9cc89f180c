"""Operator checks of a model against an operator set: existence and input types."""

from __future__ import annotations

import collections

import onnx
from onnx import shape_inference

from exporters.targets.lowering import every_node, schema_of
from exporters.targets.runtimes import Target
from exporters.targets.scope import value_types
from exporters.targets.strip_weights import skeleton

__all__ = ["foreign_operators", "unknown_operators", "wrong_types"]

# Sets that ONNX Runtime has besides ONNX's own; the training ones are left out of its released packages.
_ONNXRUNTIME_DOMAINS = ("com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc")


def unknown_operators(model: onnx.ModelProto, opset: int) -> list[str]:
    """Operators that ONNX's own set lacks at that version, with counts: "Gelu (2)"."""
    found = collections.Counter(
        node.op_type
        for node in every_node(model.graph)
        if node.domain in ("", "ai.onnx") and schema_of(node.op_type, opset) is None
    )
    return [f"{name} ({count})" for name, count in sorted(found.items())]


def foreign_operators(model: onnx.ModelProto, target: Target) -> list[str]:
    """Operators of other domains than ONNX's own that the target is not known to have, with counts."""
    own = {(function.domain, function.name) for function in model.functions}
    known = {"", "ai.onnx"} | ({"ai.onnx.ml"} if target.ml_opset else set())
    known |= set(_ONNXRUNTIME_DOMAINS) if target.is_onnxruntime else set()
    found = collections.Counter(
        f"{node.domain}.{node.op_type}"
        for node in every_node(model.graph)
        if node.domain not in known and (node.domain, node.op_type) not in own
    )
    return [f"{name} ({count})" for name, count in sorted(found.items())]


def wrong_types(model: onnx.ModelProto, opset: int) -> list[str]:
    """Inputs of a type that an operator does not take at that version: "Relu of tensor(int32)". Unknown types pass."""
    try:
        inferred = shape_inference.infer_shapes(skeleton(model))
    except (
        Exception
    ):  # onnx's own, where a set of operators is not imported: types are told as far as the file says them
        inferred = model
    types = {name: known.element for name, known in value_types(inferred.graph).items()}
    types.update({tensor.name: tensor.data_type for tensor in model.graph.initializer})
    found: list[str] = []
    for node in model.graph.node:
        schema = schema_of(node.op_type, opset) if node.domain in ("", "ai.onnx") else None
        if schema is None:
            continue
        for position, name in enumerate(node.input):
            formal = schema.inputs[min(position, len(schema.inputs) - 1)]
            element = types.get(name)
            if not name or not element or not formal.types:
                continue
            kind = _type_word(element)
            if kind not in formal.types:
                found.append(f"{node.op_type} of {kind}")
    return sorted(set(found))


def _type_word(element: int) -> str:
    """Type name as operator schemas write it: "tensor(float)"."""
    if element not in onnx.TensorProto.DataType.values():
        return f"tensor of the unknown data type {element}"
    return f"tensor({onnx.TensorProto.DataType.Name(element).lower()})"
