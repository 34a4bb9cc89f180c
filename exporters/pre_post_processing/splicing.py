"""Splicing of graphs: insert nodes before a network's input, or append them to its outputs."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

from exporters.pre_post_processing.preparation import Preparation

__all__ = ["append_nodes", "prepend_preparation"]


def prepend_preparation(model: onnx.ModelProto, preparation: Preparation) -> None:
    """Prepend the pre-processing: the model takes raw pictures under the name of its prepared input."""
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
    """Append nodes that take the model's outputs, with their own outputs."""
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constants)
    model.graph.output.extend(outputs)


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Rename a value wherever it is used, in branches and loops too."""
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.name == old:
            value.name = new
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                _rename(inner, old, new)
