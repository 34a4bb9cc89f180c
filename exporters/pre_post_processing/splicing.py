"""Put nodes before a network's input, or behind its outputs."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

from exporters.pre_post_processing.preparation import Preparation

__all__ = ["append_nodes", "prepend_preparation"]


def prepend_preparation(model: onnx.ModelProto, preparation: Preparation) -> None:
    """Let a model take raw pictures in place of its prepared input of the same name."""
    graph = model.graph
    name = preparation.input.name
    _rename(graph, name, preparation.output)
    place = next(index for index, value in enumerate(graph.input) if value.name == preparation.output)
    graph.input[place].CopyFrom(preparation.input)
    network = list(graph.node)
    del graph.node[:]
    graph.node.extend([*preparation.nodes, *network])
    graph.initializer.extend(preparation.constants)


def append_nodes(
    model: onnx.ModelProto,
    nodes: Iterable[onnx.NodeProto],
    constants: Iterable[onnx.TensorProto],
    outputs: Iterable[onnx.ValueInfoProto],
) -> None:
    """Add nodes that take outputs of the model, and outputs that they give."""
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constants)
    model.graph.output.extend(outputs)


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """A value's name, wherever it is used: also in the branches and loops inside."""
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.name == old:
            value.name = new
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                _rename(inner, old, new)
