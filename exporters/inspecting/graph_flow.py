"""Data flow of a graph: its operators without constants, shape arithmetic and pass-through nodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import onnx

from exporters.inspecting.graph_facts import layer_names, parameter_count

__all__ = ["ELEMENTWISE", "FlowNode", "graph_flow"]

# Taken as a part of what they follow: the value stays the same thing.
_WRAPPERS = ("Identity", "Cast", "CastLike", "QuantizeLinear", "DequantizeLinear")
# One number after the other: drawn together with the layer before them.
ACTIVATIONS = (
    *(
        "Relu",
        "LeakyRelu",
        "PRelu",
        "Elu",
        "Celu",
        "Selu",
        "ThresholdedRelu",
        "Clip",
        "Sigmoid",
        "HardSigmoid",
        "HardSwish",
    ),
    *("Tanh", "Softplus", "Softsign", "Gelu", "Mish", "Swish", "Softmax", "LogSoftmax", "BatchNormalization"),
)
ELEMENTWISE = (
    *ACTIVATIONS,
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "Sqrt",
    "Erf",
    "Exp",
    "Where",
    "Max",
    "Min",
    "Neg",
    "Abs",
)


@dataclass
class FlowNode:
    """Node of the data flow: one operator, or several that belong together.

    Attributes:
        nodes: the ONNX nodes, in order.
        sources: where the data comes from: positions of other nodes, or names of the graph's inputs.
        layer: the module that its weights belong to, or "".
        parameters: numbers in its weights.
        output: the name of its output value.
    """

    nodes: list[onnx.NodeProto]
    sources: list[int | str]
    layer: str = ""
    parameters: int = 0
    output: str = ""
    outputs: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """`Conv + Relu`."""
        return " + ".join(node.op_type for node in self.nodes)


def graph_flow(graph: onnx.GraphProto) -> tuple[list[FlowNode], list[tuple[str, int | str]]]:
    """(operators in order, (output name, where it comes from) for every output of the graph that data reaches)."""
    walk = _Walk(graph)
    for node in graph.node:
        walk.add(node)
    ends = [(value.name, walk.origins[value.name]) for value in graph.output if value.name in walk.origins]
    return _joined(walk.found, ends)


class _Walk:
    """Traversal of a graph's nodes in order; tracks the source of each value."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.found: list[FlowNode] = []
        self.sizes = {tensor.name: parameter_count(tensor) for tensor in graph.initializer}
        self.layers = layer_names(graph)
        # value -> where its data comes from; what is not here is a constant or a shape
        self.origins: dict[str, int | str] = {
            value.name: value.name for value in graph.input if value.name not in self.sizes
        }
        self.weights: dict[str, list[str]] = {
            name: [name] for name in self.sizes
        }  # value -> initialisers it is made of

    def add(self, node: onnx.NodeProto) -> None:
        """Add one ONNX node: as a node of the data flow, or hidden."""
        entering = [name for name in (*node.input, *_captured(node)) if name]
        sources = list(dict.fromkeys(self.origins[name] for name in entering if name in self.origins))
        weights = list(dict.fromkeys(part for name in entering for part in self.weights.get(name, ())))
        if node.op_type in ("Shape", "Size") or (not sources and not _makes_data(node)):
            for name in node.output:
                self.weights[name] = [] if node.op_type in ("Shape", "Size") else weights
            return
        if node.op_type in _WRAPPERS and len(sources) == 1:
            for name in node.output:
                self.origins[name] = sources[0]
            return
        named = [self.layers[name] for name in weights if self.sizes[name] > 1 and "." in name]
        step = FlowNode(
            [node],
            sources,
            named[0] if named else "",
            sum(self.sizes[name] for name in weights if self.sizes[name] > 1),
        )
        step.outputs = [name for name in node.output if name]
        step.output = step.outputs[0] if step.outputs else ""
        for name in step.outputs:
            self.origins[name] = len(self.found)
        self.found.append(step)


def _captured(node: onnx.NodeProto) -> Iterable[str]:
    """Outer-scope values that the body of a branch or a loop reads."""
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
            inside = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
            for inner in graph.node:
                yield from (name for name in (*inner.input, *_captured(inner)) if name not in inside)
                inside.update(inner.output)


def _makes_data(node: onnx.NodeProto) -> bool:
    return node.op_type.startswith("Random") or node.op_type in ("Bernoulli", "Multinomial")


def _joined(
    nodes: list[FlowNode], ends: list[tuple[str, int | str]]
) -> tuple[list[FlowNode], list[tuple[str, int | str]]]:
    """Merge each activation into the node before it where that node has no other consumer."""
    consumers: dict[int | str, int] = {}
    for source in (*(source for node in nodes for source in node.sources), *(origin for _, origin in ends)):
        consumers[source] = consumers.get(source, 0) + 1
    place: dict[int | str, int | str] = {}
    found: list[FlowNode] = []
    for number, node in enumerate(nodes):
        first = node.sources[0] if node.sources else ""
        alone = len(node.sources) == 1 and isinstance(first, int) and consumers[first] == 1
        if alone and node.nodes[0].op_type in ACTIVATIONS and len(found[int(place[first])].outputs) == 1:
            before = found[int(place[first])]
            before.nodes += node.nodes
            before.output, before.outputs = node.output, node.outputs
            before.parameters += node.parameters
            place[number] = place[first]
            continue
        node.sources = [place.get(source, source) if isinstance(source, int) else source for source in node.sources]
        place[number] = len(found)
        found.append(node)
    return found, [(name, place.get(origin, origin) if isinstance(origin, int) else origin) for name, origin in ends]
