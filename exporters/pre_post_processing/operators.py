"""Builder of ONNX nodes: each call adds a node, and takes and returns value names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper

__all__ = ["Operators"]


class Operators:
    """A list of nodes and constants under construction: ``y = operators("Mul", x, 2.0)`` adds a node and names its result.

    Args:
        prefix: begins every name, so that none is taken twice in one file.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._count = 0

    def __call__(self, operator: str, *inputs: str | np.ndarray | np.generic | None, **attributes: Any) -> str:
        """Add a node with one output.

        Args:
            operator: of ONNX's own set.
            inputs: names of values; arrays become constants, None leaves an optional input out.
            attributes: of the node.

        Returns:
            The name of the output.
        """
        names = [
            self.constant(value) if isinstance(value, np.ndarray | np.generic) else (value or "") for value in inputs
        ]
        result = self._name(operator.lower())
        self.nodes.append(helper.make_node(operator, names, [result], name=result, **attributes))
        return result

    def constant(self, value: np.ndarray | np.generic) -> str:
        """Add an array as a constant; return its name."""
        name = self._name("constant")
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def named(self, operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        """Add a node with given output names."""
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=self._name(operator.lower()), **attributes))

    def either(self, condition: str, then: Callable[[], str], otherwise: Callable[[], str], kind: int) -> str:
        """Conditional (If): one of two results, only that branch computed.

        Args:
            condition: a single bool.
            then, otherwise: add the nodes of their branch and give its result.
            kind: the element type of the result.
        """
        branches = {"then_branch": self._branch(then, kind), "else_branch": self._branch(otherwise, kind)}
        return self("If", condition, **branches)

    def _branch(self, build: Callable[[], str], kind: int) -> onnx.GraphProto:
        outside, self.nodes = self.nodes, []
        result = build()
        # a branch gives no rank: the values on the way to it have lengths of their own
        value = helper.make_value_info(result, helper.make_tensor_type_proto(kind, None))
        graph = helper.make_graph(self.nodes, self._name("branch"), [], [value])
        self.nodes = outside
        return graph

    def _name(self, what: str) -> str:
        self._count += 1
        return f"{self.prefix}/{what}_{self._count}"
