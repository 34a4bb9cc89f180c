"""Lowering: rewrite a model in an older operator set, version by version."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import onnx
from onnx import defs, inliner, shape_inference

from exporters.targets.adapters import find_step
from exporters.targets.scope import CannotLower, Scope, ValueType, attribute, set_attribute, subgraphs, value_types
from exporters.targets.strip_weights import skeleton

__all__ = ["OLDEST_OPSET", "every_node", "lower", "opset_version", "schema_of", "set_opset"]

OLDEST_OPSET = 9
"""The oldest operator set that a model can be said in."""

# The step down from this version needs the number of axes of every value, of those too that the steps before it made.
_COUNTS_FROM_THE_START = 11


def lower(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Rewrite a model in an older version of ONNX's operator set.

    Inputs, outputs, names and metadata stay. onnx.version_converter raises versions, but cannot lower most operators.

    Args:
        model: any model; it is changed.
        opset: from OLDEST_OPSET to the model's own.

    Raises:
        CannotLower: an operator cannot be expressed in the older set.
    """
    if model.functions:
        model = inliner.inline_local_functions(model)
    types = _inferred(model)
    for version in range(opset_version(model), opset, -1):
        model, inlined = _inline_new(model, version, types)
        if inlined or version == _COUNTS_FROM_THE_START:
            types = _inferred(model)
        try:
            _lower_graph(Scope(model.graph, types, _names(model.graph)), version)
        except CannotLower as error:
            raise CannotLower(
                f"{error} came with opset {version}, and opset {version - 1} has nothing for it"
            ) from error
        set_opset(model, version - 1)
    _drop_unused(model.graph)
    return model


def opset_version(model: onnx.ModelProto) -> int:
    """Version of ONNX's own operator set in a model."""
    return int(next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")))


def set_opset(model: onnx.ModelProto, version: int) -> None:
    """Set the version of ONNX's own operator set."""
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx"):
            entry.version = version


@functools.cache
def schema_of(operator: str, version: int) -> defs.OpSchema | None:
    """Schema of an operator at a version of the operator set; None where it does not exist or is deprecated there."""
    try:
        schema = defs.get_schema(operator, version, "")
    except (defs.SchemaError, TypeError):  # TypeError: of a version of more than 32 bits
        return None
    return None if schema.deprecated else schema


def _inline_new(model: onnx.ModelProto, version: int, types: Mapping[str, ValueType]) -> tuple[onnx.ModelProto, bool]:
    """Inline operators that are new in `version`, have a function body and no lowering step: (model, changed)."""
    wanted = {
        node.op_type
        for node in every_node(model.graph)
        if _is_new(node, version) and find_step(node.op_type, version) is None and _has_body(node.op_type, version)
    }
    if not wanted:
        return model, False
    told = list(model.graph.value_info)
    _tell_types(model.graph, types)
    try:
        found = inliner.inline_selected_functions(
            model, [("", operator) for operator in sorted(wanted)], inline_schema_functions=True
        )
    except Exception as error:  # onnx's C++ raises RuntimeError where it cannot tell the type of a value
        words = ", ".join(sorted(wanted))
        raise CannotLower(f"{words} came with opset {version}, and onnx cannot say it in older operators") from error
    del found.graph.value_info[:]
    found.graph.value_info.extend(told)
    return found, True


def _tell_types(graph: onnx.GraphProto, types: Mapping[str, ValueType]) -> None:
    """Write every known type into the graph's value_info: some function bodies depend on them, weights' included."""
    known = {value.name for value in (*graph.input, *graph.output, *graph.value_info)}
    weights = {tensor.name: ValueType(tensor.data_type, tuple(tensor.dims)) for tensor in graph.initializer}
    for name, kind in {**types, **weights}.items():
        if name not in known:
            graph.value_info.append(onnx.helper.make_tensor_value_info(name, kind.element, kind.axes))


def _is_new(node: onnx.NodeProto, version: int) -> bool:
    if node.domain not in ("", "ai.onnx") or schema_of(node.op_type, version - 1) is not None:
        return False
    return schema_of(node.op_type, version) is not None


def _has_body(operator: str, version: int) -> bool:
    schema = schema_of(operator, version)
    # these two are made in C++, where type checkers do not see them
    return any(getattr(schema, name, False) for name in ("has_function", "has_context_dependent_function"))


def _lower_graph(scope: Scope, version: int) -> None:
    """Lower the nodes of a graph and its subgraphs from `version` to the version before."""
    nodes: list[onnx.NodeProto] = []
    for node in scope.graph.node:
        for inner in subgraphs(node):
            _lower_graph(Scope(inner, scope.types, scope.names, scope), version)
        nodes.extend(_lower_node(node, scope, version))
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del scope.graph.node[:]
    scope.graph.node.extend(kept)


def _lower_node(node: onnx.NodeProto, scope: Scope, version: int) -> list[onnx.NodeProto]:
    if node.domain not in ("", "ai.onnx"):
        return [node]
    schema = schema_of(node.op_type, version)
    if schema is None:
        raise CannotLower(f"{node.op_type}, which ONNX does not know at opset {version},")
    if schema.since_version != version:
        return [node]
    lowering = find_step(node.op_type, version)
    lowered = lowering(node, scope) if lowering is not None else [node]
    for entry in lowered:
        _fit(entry, version)
    return lowered


def _fit(node: onnx.NodeProto, version: int) -> None:
    """Fit a node to the older schema: drop unused new attributes, write out changed defaults. Raises CannotLower."""
    older = schema_of(node.op_type, version - 1)
    if older is None:
        raise CannotLower(node.op_type)
    newer = schema_of(node.op_type, version) or older
    for entry in list(node.attribute):
        if entry.name not in older.attributes:
            value, default = attribute(node, entry.name), _default(newer, entry.name)
            if value != default and not _means_nothing(entry.name, value):
                raise CannotLower(f"{node.op_type} with {entry.name}={value!r}")
            set_attribute(node, entry.name, None)
    for name in newer.attributes:
        default = _default(newer, name)
        if name in older.attributes and default is not None and default != _default(older, name):
            set_attribute(node, name, attribute(node, name, default))
    while node.input and not node.input[-1]:
        del node.input[-1]
    if len(node.input) > older.max_input or len(node.input) < older.min_input:
        raise CannotLower(f"{node.op_type} with {len(node.input)} inputs")


def _default(schema: defs.OpSchema, name: str) -> object:
    entry = schema.attributes.get(name)
    if entry is None or entry.default_value.type == onnx.AttributeProto.UNDEFINED:
        return None
    value = onnx.helper.get_attribute_value(entry.default_value)
    return value.decode() if isinstance(value, bytes) else value


def _means_nothing(name: str, value: object) -> bool:
    """Test for an attribute without a default whose value equals its absence."""
    return name == "dilations" and isinstance(value, list) and all(step == 1 for step in value)


def _inferred(model: onnx.ModelProto) -> dict[str, ValueType]:
    """Inferred value types; those in branches stay in the branches."""
    return value_types(shape_inference.infer_shapes(skeleton(model)).graph)


def _names(graph: onnx.GraphProto) -> set[str]:
    names = {value.name for value in (*graph.input, *graph.output, *graph.initializer)}
    for node in graph.node:
        names.update(node.input)
        names.update(node.output)
        for inner in subgraphs(node):
            names |= _names(inner)
    return names


def every_node(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """All nodes of a graph, including those in its branches and loops."""
    return [
        found for node in graph.node for found in (node, *(n for inner in subgraphs(node) for n in every_node(inner)))
    ]


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove unused constants, such as those that became attributes."""
    used = {value.name for value in graph.output} | _used(graph)
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    if len(kept) < len(graph.initializer):
        del graph.initializer[:]
        graph.initializer.extend(kept)
    nodes = [node for node in graph.node if node.op_type != "Constant" or node.output[0] in used]
    if len(nodes) < len(graph.node):
        del graph.node[:]
        graph.node.extend(nodes)


def _used(graph: onnx.GraphProto) -> set[str]:
    names = {name for node in graph.node for name in node.input}
    for node in graph.node:
        for inner in subgraphs(node):
            names |= _used(inner) | {value.name for value in inner.output}
    return names
