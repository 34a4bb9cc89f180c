"""Normalisations over the last axes: RMSNormalization came with 23, LayerNormalization with 17.

Both are written as ONNX Runtime's own fusions know them, so that each runs as one operator there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from exporters.targets.adapters.registry import step
from exporters.targets.scope import CannotLower, Scope, attribute


@step(17, "LayerNormalization")
def layer_normalisation(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """LayerNormalization: (x - mean) / sqrt(variance + epsilon) * scale + bias (Ba et al., arXiv:1607.06450)."""
    body = _Body(node, scope)
    mean_name, deviation_name = [*node.output[1:], "", ""][:2]
    given = body.widened()
    mean = body.mean(given, output=mean_name)
    centred = body.made("Sub", given, mean)
    deviation = body.root_mean_square(centred)
    if deviation_name:
        body.made("Reciprocal", deviation, output=deviation_name)
    body.finish(body.made("Div", centred, deviation), node.input[1], node.input[2] if len(node.input) > 2 else "")
    return body.nodes


@step(23, "RMSNormalization")
def root_mean_square_normalisation(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """RMSNormalization: x / sqrt(mean(x^2) + epsilon) * scale (Zhang and Sennrich, arXiv:1910.07467)."""
    body = _Body(node, scope)
    given = body.widened()
    body.finish(body.made("Div", given, body.root_mean_square(given)), node.input[1])
    return body.nodes


class _Body:
    """Builder of the nodes that replace one normalisation."""

    def __init__(self, node: onnx.NodeProto, scope: Scope) -> None:
        self.node, self.scope = node, scope
        self.nodes: list[onnx.NodeProto] = []
        element, rank = scope.element(node.input[0]), scope.rank(node.input[0])
        axis, epsilon = attribute(node, "axis", -1), attribute(node, "epsilon", 1e-5)
        assert isinstance(axis, int) and isinstance(epsilon, float)
        if element is None or (axis >= 0 and rank is None):
            raise CannotLower(f"{node.op_type} of a value whose type or number of axes is not known")
        self.element, self.epsilon = element, epsilon
        self.axes = list(range(axis - rank if axis >= 0 and rank is not None else axis, 0))
        # stash_type: half precision is worked out in float32
        stays = attribute(node, "stash_type", 1) == 0 or element == TensorProto.DOUBLE
        self.inside = element if stays else TensorProto.FLOAT

    def made(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node and return its output's name."""
        output = output or self.scope.new_value(f"{self.node.output[0]}_{operator.lower()}", self.inside)
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def number(self, content: float) -> str:
        """Add a scalar constant."""
        kind = helper.tensor_dtype_to_np_dtype(self.inside)
        return self.scope.add_constant(np.array(content, kind), f"{self.node.output[0]}_constant")

    def widened(self) -> str:
        """Cast the input to the type of the computation."""
        value = self.node.input[0]
        return value if self.inside == self.element else self.made("Cast", value, to=self.inside)

    def mean(self, value: str, output: str = "") -> str:
        """Add a mean over the axes, which stay with length 1. The axes are an input of ReduceMean from 18 on."""
        if self.node.op_type == "RMSNormalization":
            axes = self.scope.add_constant(np.array(self.axes, np.int64), f"{self.node.output[0]}_axes")
            return self.made("ReduceMean", value, axes, output=output, keepdims=1)
        return self.made("ReduceMean", value, output=output, axes=self.axes, keepdims=1)

    def root_mean_square(self, value: str) -> str:
        """Add sqrt(mean(value^2) + epsilon)."""
        square = self.mean(self.made("Pow", value, self.number(2.0)))
        return self.made("Sqrt", self.made("Add", square, self.number(self.epsilon)))

    def finish(self, value: str, scale: str, bias: str = "") -> None:
        """Cast back to the input's type, multiply by the scale, and add the bias where there is one."""
        if self.inside != self.element:
            value = self.made("Cast", value, to=self.element)
        product = self.made("Mul", value, scale, output="" if bias else self.node.output[0])
        if bias:
            self.made("Add", product, bias, output=self.node.output[0])
