"""Raising: rewrite a model in a newer operator set."""

from __future__ import annotations

import onnx
from onnx import defs, version_converter

from exporters.targets.adapters import find_step
from exporters.targets.lowering import every_node, opset_version, schema_of, set_opset
from runtime.errors import CheckFailed

__all__ = ["newest_opset", "raise_opset"]


def newest_opset() -> int:
    """Newest version of the operator set that the installed onnx package defines."""
    return int(defs.onnx_opset_version())


def raise_opset(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Rewrite a model in a newer version of ONNX's operator set.

    Where all its operators mean the same in both, only the version is set; else onnx.version_converter rewrites it.

    Raises:
        CheckFailed: the converter cannot.
    """
    before = opset_version(model)
    nodes = [node for node in every_node(model.graph) if node.domain in ("", "ai.onnx")]
    if not model.functions and all(_same_meaning(node.op_type, before, opset) for node in nodes):
        set_opset(model, opset)
        return model
    try:
        converted = version_converter.convert_version(model, opset)
    except Exception as error:  # the converter's C++ raises RuntimeError and onnx's own errors alike
        reason = " ".join(str(error).split())[-200:]
        raise CheckFailed(
            f"onnx cannot bring the file from opset {before} to {opset}: {reason} Leave the opset out, which keeps {before}."
        ) from error
    # The converter knows nothing of the card.
    converted.metadata_props.extend(model.metadata_props[len(converted.metadata_props) :])
    return converted


def _same_meaning(operator: str, before: int, after: int) -> bool:
    """Test that an operator is unchanged between two versions, except for accepted types and optional attributes."""
    for version in range(before + 1, after + 1):
        older, newer = schema_of(operator, version - 1), schema_of(operator, version)
        if older is None or newer is None:
            return False
        if newer.since_version != version:
            continue
        if find_step(operator, version) is not None or newer.max_input < older.max_input:
            return False
        if any(name not in newer.attributes or _changed(older, newer, name) for name in older.attributes):
            return False
    return True


def _changed(older: defs.OpSchema, newer: defs.OpSchema, name: str) -> bool:
    return bool(older.attributes[name].default_value != newer.attributes[name].default_value)
