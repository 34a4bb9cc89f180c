"""Shape with a range (15), Reshape that keeps zeros and Trilu (14)."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper

from exporters.targets.adapters.registry import step
from exporters.targets.scope import CannotLower, Scope, attribute, set_attribute

_END = np.iinfo(np.int64).max


@step(15, "Shape")
def shape_range(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Shape with a range: all lengths, then a Slice from `start` to `end`."""
    start, end = attribute(node, "start", 0), attribute(node, "end", _END)
    set_attribute(node, "start", None)
    set_attribute(node, "end", None)
    if start == 0 and end == _END:
        return [node]
    whole, output = scope.new_name(f"{node.output[0]}_whole"), node.output[0]
    limits = [scope.add_constant(np.array([value], np.int64), f"{output}_limit") for value in (start, end)]
    node.output[0] = whole
    return [node, helper.make_node("Slice", [whole, *limits], [output])]


@step(14, "Reshape")
def reshape(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Reshape: before 14 a zero means the input's own length. A computed length is 0 for empty inputs only."""
    if attribute(node, "allowzero", 0):
        shape = scope.constant(node.input[1])
        if shape is not None and not shape.all():
            raise CannotLower("Reshape to a length of 0 (allowzero=1)")
    set_attribute(node, "allowzero", None)
    return [node]


@step(14, "Trilu")
def triangle(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Trilu: keep x[i, j] where j - i >= k (upper) or j - i <= k (lower); the rest is 0."""
    value, output = node.input[0], node.output[0]
    element = scope.element(value)
    if element is None:
        raise CannotLower("Trilu of a value whose type is not known")
    nodes: list[onnx.NodeProto] = []

    def made(operator: str, *inputs: str, **attributes: Any) -> str:
        name = scope.new_name(f"{output}_{operator.lower()}")
        nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def integers(content: int | list[int]) -> str:
        return scope.add_constant(np.array(content, np.int64), f"{output}_constant")

    lengths, zero, one = made("Shape", value), integers(0), integers(1)
    rows, columns = (
        made("Range", zero, made("Squeeze", made("Slice", lengths, integers([position]), integers([end])), integers([0])), one)
        for position, end in ((-2, -1), (-1, _END))
    )  # fmt: skip
    offset = made("Sub", columns, made("Unsqueeze", rows, integers([1])))  # (rows, columns)
    diagonal = node.input[1] if len(node.input) > 1 and node.input[1] else zero
    outside = made("Less" if attribute(node, "upper", 1) else "Greater", offset, diagonal)
    nothing = scope.add_constant(np.array(0, helper.tensor_dtype_to_np_dtype(element)), f"{output}_constant")
    nodes.append(helper.make_node("Where", [outside, nothing, value], [output], name=node.name))
    return nodes
