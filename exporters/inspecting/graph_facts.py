"""Graph facts of an ONNX file: operator sets, operators, weights by dtype and by layer."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import onnx

from exporters.onnx_files.external_data import every_tensor, external_names, is_external

__all__ = [
    "GraphFacts",
    "LayerSize",
    "element_bytes",
    "every_node",
    "graph_facts",
    "layer_names",
    "parameter_count",
    "subgraphs",
]

_FLOATS = ("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE")
# Whole numbers that are weights: those of quantised networks. int64 and bool are shapes and masks.
_QUANTISED = ("INT4", "UINT4", "INT8", "UINT8", "INT32")


@dataclass(frozen=True)
class LayerSize:
    """One layer's weights: its name, how many numbers, their bytes and their dtypes."""

    name: str
    parameters: int
    bytes: int
    dtypes: tuple[str, ...]


@dataclass(frozen=True)
class GraphFacts:
    """Contents of an ONNX model.

    Attributes:
        opsets: domain ("" is ONNX's own) -> version.
        ir_version: of the file format.
        producer: name and version of the tool that wrote the file.
        nodes: in branches, loops and functions too.
        operators: operator ("domain::name" where it is not ONNX's own) -> count, subgraphs and functions included.
        parameters: numbers in the weights.
        weights: dtype -> bytes of weights and constants.
        layers: layers with weights, the largest first.
        external: names of the external data files.
        external_bytes: of the weights in them.
    """

    opsets: dict[str, int]
    ir_version: int
    producer: str
    nodes: int
    operators: dict[str, int]
    parameters: int
    weights: dict[str, int]
    layers: tuple[LayerSize, ...]
    external: tuple[str, ...]
    external_bytes: int

    @property
    def opset(self) -> int | None:
        """The version of ONNX's own operator set."""
        return self.opsets.get("")

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        layers = [{**vars(layer), "dtypes": list(layer.dtypes)} for layer in self.layers]
        return {**vars(self), "layers": layers, "external": list(self.external)}


def graph_facts(model: onnx.ModelProto) -> GraphFacts:
    """Count operators and weights of a model. External data need not be present: the model holds its sizes."""
    operators = Counter(
        node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}::{node.op_type}"
        for node in every_node(model)
    )
    weights: Counter[str] = Counter()
    parameters = 0
    for tensor in every_tensor(model):
        weights[_shown_dtype(tensor)] += element_bytes(tensor)
        parameters += parameter_count(tensor)
    return GraphFacts(
        {("" if entry.domain == "ai.onnx" else entry.domain): entry.version for entry in model.opset_import},
        model.ir_version,
        f"{model.producer_name} {model.producer_version}".strip(),
        operators.total(),
        dict(operators.most_common()),
        parameters,
        dict(weights.most_common()),
        _layer_sizes(model.graph),
        tuple(sorted(external_names(model))),
        sum(element_bytes(tensor) for tensor in every_tensor(model) if is_external(tensor)),
    )


def every_node(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """All nodes, in branches, loops and functions too."""
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        yield from _nested(nodes)


def _nested(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for graph in subgraphs(node):
            yield from _nested(graph.node)


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The bodies of a branch or a loop."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _shown_dtype(tensor: onnx.TensorProto) -> str:
    """NumPy's name of the element type."""
    return {"FLOAT": "float32", "DOUBLE": "float64"}.get(_dtype(tensor), _dtype(tensor).lower())


def _dtype(tensor: onnx.TensorProto) -> str:
    known = onnx.TensorProto.DataType.values()
    return onnx.TensorProto.DataType.Name(tensor.data_type) if tensor.data_type in known else "UNKNOWN"


def parameter_count(tensor: onnx.TensorProto) -> int:
    """Numbers in a tensor that is a weight; 0 for a shape, an index, or the scale of a quantised weight."""
    counts = (
        _dtype(tensor) in (*_FLOATS, *_QUANTISED)
        and tensor.dims
        and not tensor.name.endswith(("_scale", "_zero_point"))
    )
    return _elements(tensor) if counts else 0


def _elements(tensor: onnx.TensorProto) -> int:
    return math.prod(tensor.dims) if all(length >= 0 for length in tensor.dims) else 0


def element_bytes(tensor: onnx.TensorProto) -> int:
    """Bytes of a tensor's elements in memory."""
    if tensor.raw_data:
        return len(tensor.raw_data)
    if is_external(tensor):
        told = [entry.value for entry in tensor.external_data if entry.key == "length"]
        if told and told[0].isdecimal() and len(told[0]) < 20:
            return int(told[0])
    try:
        bits: float = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, TypeError, ValueError):
        bits = 0
    if tensor.data_type == onnx.TensorProto.STRING:
        return sum(map(len, tensor.string_data))
    return int(_elements(tensor) * (0.5 if _dtype(tensor) in ("INT4", "UINT4") else bits))


def layer_names(graph: onnx.GraphProto) -> dict[str, str]:
    """Initialiser name -> its layer, from the initialiser's name (`layer1.0.conv1.weight`), else from the node that takes it."""
    tensors = {tensor.name for tensor in graph.initializer}
    consumers: dict[str, onnx.NodeProto] = {}
    for node in graph.node:
        for name in node.input:
            consumers.setdefault(name, node)
    dotted = {name: _module(name) for name in tensors if "." in name.strip(".")}
    outer = _common_start(dotted.values())
    found = {}
    for name in tensors:
        node = consumers.get(name)
        if name in dotted:
            found[name] = f"{dotted[name]}.".removeprefix(outer).rstrip(".") or name
        elif node is None:
            found[name] = "(not used)"
        else:
            known = next((dotted[other] for other in node.input if other in dotted), None)
            found[name] = (
                f"{known or ''}.".removeprefix(outer).rstrip(".") or node.name or f"{node.op_type} {node.output[0]}"
            )
    return found


def _module(name: str) -> str:
    """`layer1.0.conv1.weight_quantized` -> `layer1.0.conv1`."""
    return name.rpartition(".")[0]


def _common_start(names: Iterable[str]) -> str:
    """Common prefix of all names, such as `module.` of a wrapped network."""
    return "module." if all(name.partition(".")[0] == "module" for name in names) else ""


def _inner_weights(node: onnx.NodeProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """(layer, weight) of the bodies of a branch or a loop, at any depth."""
    for graph in subgraphs(node):
        names = layer_names(graph)
        yield from ((names[tensor.name], tensor) for tensor in graph.initializer)
        for inner in graph.node:
            yield from _inner_weights(inner)


def _layer_sizes(graph: onnx.GraphProto) -> tuple[LayerSize, ...]:
    layers = layer_names(graph)
    gathered: dict[str, list[onnx.TensorProto]] = {}
    for tensor in graph.initializer:
        gathered.setdefault(layers[tensor.name], []).append(tensor)
    for node in graph.node:
        for name, tensor in _inner_weights(node):
            gathered.setdefault(name, []).append(tensor)
    sizes = [
        LayerSize(
            name,
            sum(map(parameter_count, tensors)),
            sum(map(element_bytes, tensors)),
            tuple(dict.fromkeys(map(_shown_dtype, tensors))),
        )
        for name, tensors in gathered.items()
    ]
    with_weights = [size for size in sizes if size.parameters]
    return tuple(sorted(with_weights, key=lambda size: (-size.bytes, size.name)))
