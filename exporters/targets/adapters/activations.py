"""Softmax over one axis (13), Gelu (20), powers of mixed types (12), and Clip's limits as inputs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper

from exporters.targets.adapters.registry import step
from exporters.targets.scope import CannotLower, Scope, attribute, set_attribute


@step(13, "Softmax", "LogSoftmax", "Hardmax")
def along_one_axis(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Softmax: before 13 all axes from `axis` on are flattened, so `axis` is transposed to the end."""
    axis, rank = attribute(node, "axis", -1), scope.rank(node.input[0])
    assert isinstance(axis, int)
    if rank is None:
        if axis == -1:
            set_attribute(node, "axis", -1)
            return [node]
        raise CannotLower(f"{node.op_type} over axis {axis} of a value whose number of axes is not known")
    axis %= rank
    set_attribute(node, "axis", rank - 1)
    if axis == rank - 1:
        return [node]
    order = [*(position for position in range(rank) if position != axis), axis]
    last, done = scope.new_name(f"{node.output[0]}_last"), scope.new_name(f"{node.output[0]}_done")
    before = helper.make_node("Transpose", [node.input[0]], [last], perm=order)
    after = helper.make_node("Transpose", [done], list(node.output), perm=[int(place) for place in np.argsort(order)])
    node.input[0], node.output[0] = last, done
    return [before, node, after]


@step(20, "Gelu")
def gelu(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Gelu: x/2 * (1 + erf(x / sqrt 2)), or its approximation by tanh (Hendrycks and Gimpel, arXiv:1606.08415).

    Written as ONNX Runtime's own fusion knows it, so that it runs as one operator there.
    """
    value, name = node.input[0], node.output[0]
    number = _numbers(node, scope)

    def made(operator: str, *inputs: str) -> str:
        output = scope.new_value(f"{name}_{operator.lower()}", scope.element(value))
        nodes.append(helper.make_node(operator, list(inputs), [output]))
        return output

    nodes: list[onnx.NodeProto] = []
    if attribute(node, "approximate", "none") == "tanh":
        cube = made("Mul", made("Pow", value, number(3.0)), number(0.044715))
        inner = made("Tanh", made("Mul", made("Add", value, cube), number(math.sqrt(2 / math.pi))))
    else:
        inner = made("Erf", made("Div", value, number(math.sqrt(2))))
    product = made("Mul", value, made("Add", inner, number(1.0)))
    nodes.append(helper.make_node("Mul", [product, number(0.5)], [name], name=node.name))
    return nodes


@step(12, "Pow")
def power(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Pow: cast the exponent to the type of the base."""
    base, exponent = (scope.element(name) for name in node.input)
    if base is None or exponent is None:
        raise CannotLower("Pow of values whose types are not known")
    if base == exponent:
        return [node]
    cast = scope.new_name(f"{node.output[0]}_exponent")
    before = helper.make_node("Cast", [node.input[1]], [cast], to=base)
    node.input[1] = cast
    return [before, node]


def _numbers(node: onnx.NodeProto, scope: Scope) -> Callable[[float], str]:
    """Factory of scalar constants of the type of a node's first input."""
    element = scope.element(node.input[0])
    if element is None:
        raise CannotLower(f"{node.op_type} of a value whose type is not known")
    kind = helper.tensor_dtype_to_np_dtype(element)
    return lambda value: scope.add_constant(np.array(value, kind), f"{node.output[0]}_constant")
