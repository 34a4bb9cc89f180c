"""Multiply-adds of one run, operator by operator, from the input and output shapes.

Counted are the operators that do nearly all of the work: convolutions, matrix products and recurrent layers, in their
floating-point, quantised and fused forms (ONNX's Operators.md and onnxruntime's ContribOperators.md). All others count 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx

__all__ = ["Count", "count_multiply_adds", "known_shapes"]

Shapes = Mapping[str, tuple[int, ...]]


@dataclass
class Count:
    """Multiply-add count.

    Attributes:
        total: multiply-adds of one run.
        by_node: name of a node's first output -> its multiply-adds, in the main graph.
        uncounted: operator -> number of nodes that should count but whose shapes are not known.
    """

    total: int = 0
    by_node: dict[str, int] = field(default_factory=dict)
    uncounted: dict[str, int] = field(default_factory=dict)


def count_multiply_adds(graph: onnx.GraphProto) -> Count:
    """Count a graph whose shapes have been inferred; a loop's body counts as often as it runs, where that is known."""
    found = Count()
    _count(graph, {}, found, 1, found.by_node)
    return found


def known_shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    """Value -> shape, of the values whose every length is known."""
    shapes = {}
    for value in (*graph.value_info, *graph.input, *graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(axis.HasField("dim_value") for axis in tensor.shape.dim):
            shapes[value.name] = tuple(axis.dim_value for axis in tensor.shape.dim)
    for tensor in graph.initializer:
        shapes[tensor.name] = tuple(tensor.dims)
    return shapes


def _count(graph: onnx.GraphProto, outer: Shapes, found: Count, times: int, by_node: dict[str, int] | None) -> None:
    shapes = {**outer, **known_shapes(graph)}
    constants = _constants(graph)
    for node in graph.node:
        rule = _RULES.get(node.op_type)
        if rule is not None:
            try:
                amount = rule(node, shapes) * times
            except (KeyError, IndexError, ZeroDivisionError, ValueError):
                found.uncounted[node.op_type] = found.uncounted.get(node.op_type, 0) + 1
                continue
            found.total += amount
            if by_node is not None and node.output:
                by_node[node.output[0]] = amount
        bodies = [attribute for attribute in node.attribute if attribute.HasField("g")]
        before = found.total
        if node.op_type == "If":
            _count_branches([attribute.g for attribute in bodies], shapes, found, times)
        else:
            for attribute in bodies:
                _count(attribute.g, shapes, found, times * _trips(node, shapes, constants, found), None)
        if bodies and by_node is not None and node.output:
            by_node[node.output[0]] = found.total - before


def _count_branches(branches: Iterable[onnx.GraphProto], shapes: Shapes, found: Count, times: int) -> None:
    """Count an If: one branch runs, and the most expensive counts."""
    counts = []
    for branch in branches:
        counts.append(Count())
        _count(branch, shapes, counts[-1], times, None)
    dearest = max(counts, key=lambda count: count.total, default=Count())
    found.total += dearest.total
    for name, number in dearest.uncounted.items():
        found.uncounted[name] = found.uncounted.get(name, 0) + number


def _trips(node: onnx.NodeProto, shapes: Shapes, constants: Mapping[str, int], found: Count) -> int:
    """Trip count of a Scan or Loop body; 1, and noted in `uncounted`, where it is known only at run time."""
    try:
        if node.op_type == "Scan":
            scanned = _attribute(node, "num_scan_inputs", 1)
            axes = _attribute(node, "scan_input_axes", [0] * scanned)
            return int(shapes[node.input[len(node.input) - scanned]][axes[0]])
        if node.op_type == "Loop":
            return max(0, constants[node.input[0]])
    except (KeyError, IndexError):
        found.uncounted[node.op_type] = found.uncounted.get(node.op_type, 0) + 1
    return 1


def _constants(graph: onnx.GraphProto) -> dict[str, int]:
    """Scalar integer constants by name."""
    tensors = [(tensor.name, tensor) for tensor in graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            tensors.append((node.output[0], node.attribute[0].t))
    found = {}
    for name, tensor in tensors:
        if tensor.data_type == onnx.TensorProto.INT64 and math.prod(tensor.dims) == 1 and not tensor.external_data:
            found[name] = int(onnx.numpy_helper.to_array(tensor).reshape(-1)[0])
    return found


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    found = next((entry for entry in node.attribute if entry.name == name), None)
    return default if found is None else onnx.helper.get_attribute_value(found)


def _convolution(weight: int) -> Callable[[onnx.NodeProto, Shapes], int]:
    """Convolution: one window of one group per output element; `weight` is the input position of (C_out, C_in / groups, *window)."""

    def rule(node: onnx.NodeProto, shapes: Shapes) -> int:
        return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[weight]][1:])

    return rule


def _transposed_convolution(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Transposed convolution: one window of one group per input element; weights (C_in, C_out / groups, *window)."""
    return math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])


def _product(second: int) -> Callable[[onnx.NodeProto, Shapes], int]:
    """Matrix product (..., M, K) @ (..., K, N); `second` is the input position of the second factor."""

    def rule(node: onnx.NodeProto, shapes: Shapes) -> int:
        first = shapes[node.input[0]]
        width = first[-2] if _attribute(node, "transA", 0) else first[-1]
        return _result(node, shapes, second) * width

    return rule


def _result(node: onnx.NodeProto, shapes: Shapes, second: int) -> int:
    """Number of output elements of a matrix product, computed from the inputs where no output shape is inferred."""
    if node.output[0] in shapes:
        return math.prod(shapes[node.output[0]])
    one, other = shapes[node.input[0]], shapes[node.input[second]]
    rows = one[-1] if _attribute(node, "transA", 0) else one[-2]
    columns = other[-2] if _attribute(node, "transB", 0) else other[-1]
    return math.prod(one[:-2]) * rows * columns


def _einsum(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Einsum: one multiply-add per combination of all indices."""
    equation = _attribute(node, "equation", b"").decode().replace(" ", "").split("->")[0]
    lengths: dict[str, int] = {}
    for term, name in zip(equation.split(","), node.input, strict=True):
        shape = shapes[name]
        letters: Sequence[str] = term
        if "..." in term:
            spare = len(shape) - len(term.replace("...", ""))
            before, after = term.split("...")
            letters = [*before, *(f".{spare - axis}" for axis in range(spare)), *after]
        for letter, length in zip(letters, shape, strict=True):
            lengths[letter] = max(lengths.get(letter, 1), length)
    return math.prod(lengths.values()) if len(node.input) > 1 else 0


def _recurrent(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Recurrent layer: per step input times W (directions, gates * hidden, input), state times R (..., hidden)."""
    entering = shapes[node.input[0]]
    steps, rows = entering[0], entering[1]
    return steps * rows * (math.prod(shapes[node.input[1]]) + math.prod(shapes[node.input[2]]))


def _attention(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Attention: queries by keys, and the result by values, each (batch, heads, length, width)."""
    query, key, value = (shapes[node.input[index]] for index in range(3))
    if len(query) == 3:  # (batch, length, heads * width)
        return query[0] * query[1] * key[1] * (query[2] + query[2] * value[2] // key[2])
    return math.prod(query[:3]) * key[2] * (query[3] + value[3])


_RULES: dict[str, Callable[[onnx.NodeProto, Shapes], int]] = {
    "Conv": _convolution(1),
    "FusedConv": _convolution(1),
    "NhwcFusedConv": _convolution(1),
    "ConvInteger": _convolution(1),
    "QLinearConv": _convolution(3),
    "DeformConv": _convolution(1),
    "ConvTranspose": _transposed_convolution,
    "MatMul": _product(1),
    "FusedMatMul": _product(1),
    "Gemm": _product(1),
    "FusedGemm": _product(1),
    "MatMulInteger": _product(1),
    "DynamicQuantizeMatMul": _product(1),
    "MatMulIntegerToFloat": _product(1),
    "QLinearMatMul": _product(3),
    "QGemm": _product(3),
    "Einsum": _einsum,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _recurrent,
    "DynamicQuantizeLSTM": _recurrent,
    "Attention": _attention,
}
