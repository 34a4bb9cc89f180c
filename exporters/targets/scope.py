"""Scope of one graph during rewriting: constants, types and ranks of its values, and free names."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from runtime.errors import CheckFailed

__all__ = [
    "CannotLower",
    "Scope",
    "ValueType",
    "attribute",
    "constant_tensor",
    "set_attribute",
    "subgraphs",
    "value_types",
]


_PLAIN = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}


class CannotLower(CheckFailed):
    """Lowering fails: an operator of the file has no counterpart in the older operator set."""


@dataclass(frozen=True)
class ValueType:
    """Element type (onnx.TensorProto.*) and, where known, the axes: a length, or None where it is free."""

    element: int
    axes: tuple[int | None, ...] | None


class Scope:
    """Scope of one graph within its outer scopes.

    Args:
        graph: the graph whose nodes are rewritten; constants that are made become its initialisers.
        types: value name -> type, of all values that shape inference could tell; shared by all graphs of a model.
        names: every name that is taken anywhere in the model; shared too.
        outer: the scope of the graph around this one.
    """

    def __init__(
        self, graph: onnx.GraphProto, types: dict[str, ValueType], names: set[str], outer: Scope | None = None
    ) -> None:
        self.graph = graph
        types.update(value_types(graph))
        self.types = types
        self.names = names
        self.outer = outer
        self._constants: dict[str, onnx.TensorProto] = {tensor.name: tensor for tensor in graph.initializer}
        # A value given from outside takes the place of the initialiser of its name.
        for value in graph.input:
            self._constants.pop(value.name, None)
        for node in graph.node:
            tensor = constant_tensor(node)
            if tensor is not None:
                self._constants[node.output[0]] = tensor

    def constant(self, name: str) -> np.ndarray | None:
        """Constant array of a name; None where the value is computed or an input."""
        tensor = self._constants.get(name)
        if tensor is None:
            return self.outer.constant(name) if self.outer is not None else None
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            return None
        return numpy_helper.to_array(tensor)

    def add_constant(self, array: np.ndarray, hint: str) -> str:
        """Store an array in the graph; return its name."""
        name = self.new_name(hint)
        tensor = numpy_helper.from_array(array, name)
        self.graph.initializer.append(tensor)
        self._constants[name] = tensor
        return name

    def new_name(self, hint: str) -> str:
        """Unused name in the model."""
        for number in itertools.count():
            name = f"{hint}_{number}" if number else hint
            if name not in self.names:
                self.names.add(name)
                return name
        raise AssertionError("unreachable")

    def new_value(self, hint: str, element: int | None) -> str:
        """Unused name, registered as a value of this element type."""
        name = self.new_name(hint)
        if element is not None:
            self.types[name] = ValueType(element, None)
        return name

    def element(self, name: str) -> int | None:
        """Element type of a value; None where it is not known."""
        tensor = self._constants.get(name)
        if tensor is not None:
            return int(tensor.data_type)
        if name in self.types:
            return self.types[name].element
        return self.outer.element(name) if self.outer is not None else None

    def axes(self, name: str) -> tuple[int | None, ...] | None:
        """Axes of a value: each a length or None; None where the rank is not known."""
        tensor = self._constants.get(name)
        if tensor is not None:
            return tuple(tensor.dims)
        if name in self.types:
            return self.types[name].axes
        return self.outer.axes(name) if self.outer is not None else None

    def rank(self, name: str) -> int | None:
        """Rank of a value; None where it is not known."""
        axes = self.axes(name)
        return None if axes is None else len(axes)


def constant_tensor(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """Tensor of a Constant node, from any numeric attribute; None for text, sparse tensors, and other nodes."""
    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx"):
        return None
    for entry in node.attribute:
        if entry.name == "value":
            tensor: onnx.TensorProto = entry.t
            return tensor
        if entry.name in _PLAIN:
            array = np.array(onnx.helper.get_attribute_value(entry), _PLAIN[entry.name])
            return numpy_helper.from_array(array, node.output[0])
    return None


def attribute(node: onnx.NodeProto, name: str, default: object = None) -> object:
    """Value of an attribute, or the given default."""
    for entry in node.attribute:
        if entry.name == name:
            value = onnx.helper.get_attribute_value(entry)
            return value.decode() if isinstance(value, bytes) else value
    return default


def set_attribute(node: onnx.NodeProto, name: str, value: object) -> None:
    """Set an attribute, or remove it with None."""
    kept = [entry for entry in node.attribute if entry.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)
    if value is not None:
        node.attribute.append(onnx.helper.make_attribute(name, value))


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Subgraphs of a node: branches and loops."""
    for entry in node.attribute:
        if entry.HasField("g"):
            yield entry.g
        yield from entry.graphs


def value_types(graph: onnx.GraphProto) -> dict[str, ValueType]:
    """Value types declared in a graph: name -> type."""
    return dict(_types((*graph.input, *graph.value_info, *graph.output)))


def _types(values: Iterable[onnx.ValueInfoProto]) -> Iterator[tuple[str, ValueType]]:
    for value in values:
        if not value.type.HasField("tensor_type"):
            continue
        tensor = value.type.tensor_type
        axes = None
        if tensor.HasField("shape"):
            axes = tuple(axis.dim_value if axis.HasField("dim_value") else None for axis in tensor.shape.dim)
        yield value.name, ValueType(tensor.elem_type, axes)
