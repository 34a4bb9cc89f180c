"""Drawing of an ONNX graph: layers from top to bottom; a large graph is grouped by module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import onnx

from exporters.inspecting.graph_flow import FlowNode, graph_flow
from exporters.inspecting.model_inspection import ModelInspection
from exporters.inspecting.module_groups import group_by_module
from exporters.inspecting.operator_text import arguments_text, operator_family
from exporters.onnx_files.reading import read_graph
from runtime.atomic import atomic_write
from toolkit.explain.diagram.figure import DiagramNode, diagram_figure
from toolkit.explain.figures import figure_bytes, picture_kind

__all__ = ["draw_graph", "save_picture"]

MOST_BOXES = 48


def save_picture(path: Path, seen: ModelInspection, picture: Path) -> None:
    """Draw the file at `path` into `picture`, whose suffix is .svg or .png.

    Raises:
        InputError: another suffix, or the picture cannot be written.
        ModelFileError: the file cannot be read.
    """
    kind = picture_kind(picture)
    atomic_write(picture, draw_graph(read_graph(path), seen, path.name, kind))


def draw_graph(
    model: onnx.ModelProto,
    seen: ModelInspection,
    title: str,
    kind: Literal["png", "svg"] = "png",
    most: int = MOST_BOXES,
) -> bytes:
    """Draw a graph: each layer with its name, operators, main arguments and parameters, each arrow with its shape.

    Args:
        model: the graph; its weights do not matter.
        seen: the result of `inspect_file`, for the shapes.
        title: above the drawing.
        kind: "png" or "svg".
        most: maximum number of boxes; in larger graphs, operators of one module become one box.

    Returns:
        The content of the file.
    """
    flow, ends = graph_flow(model.graph)
    groups = group_by_module(flow, most)
    shapes = _Shapes(model.graph, seen)
    inputs = list(dict.fromkeys(source for node in flow for source in node.sources if isinstance(source, str)))
    place_of: dict[int | str, int] = {name: position for position, name in enumerate(inputs)}
    for position, (_, members) in enumerate(groups):
        place_of.update((number, len(inputs) + position) for number in members)
    nodes = [DiagramNode(name, "", "", 0, shapes.text(name), "end") for name in inputs]
    sources: list[tuple[int, ...]] = [() for _ in inputs]
    for position, (name, members) in enumerate(groups):
        here = len(inputs) + position
        nodes.append(_box(name, [flow[number] for number in members], shapes))
        found = (place_of[source] for number in members for source in flow[number].sources)
        sources.append(tuple(dict.fromkeys(source for source in found if source != here)))
    for name, origin in ends:
        nodes.append(DiagramNode(name, "", "", 0, shapes.text(name), "end"))
        sources.append((place_of[origin],) if origin in place_of else ())
    facts = f"{seen.facts.nodes} operators, {seen.facts.parameters:,} parameters, opset {seen.facts.opset}"
    if seen.flow.multiply_adds:
        facts += f", {seen.flow.multiply_adds:,} multiply-adds"
    return figure_bytes(diagram_figure(nodes, sources, title, facts), kind, title=f"{title}: {facts}")


class _Shapes:
    """Shapes of values as text; a dynamic batch axis is called N."""

    def __init__(self, graph: onnx.GraphProto, seen: ModelInspection) -> None:
        self.known: Mapping[str, Sequence[int]] = seen.flow.shapes
        first = [value.type.tensor_type.shape.dim[:1] for value in graph.input]
        self.free = any(axis and not axis[0].HasField("dim_value") for axis in first)

    def text(self, name: str) -> str:
        """(1, 3, 8) -> "(N, 3, 8)"; "" where it is not known."""
        shape = self.known.get(name)
        if shape is None:
            return ""
        parts = list(map(str, shape))
        if self.free and shape and shape[0] == 1:
            parts[0] = "N"
        return f"({', '.join(parts)})"


def _box(name: str, members: Sequence[FlowNode], shapes: _Shapes) -> DiagramNode:
    leaving = shapes.text(members[-1].output)
    parameters = sum(node.parameters for node in members)
    if len(members) > 1:
        operators = [node for member in members for node in member.nodes]
        counted = Counter(node.op_type for node in operators).most_common()
        words = ", ".join(f"{count} {kind}" for kind, count in counted)
        return DiagramNode(name, f"{len(operators)} operators", words, parameters, leaving, "block")
    node = members[0]
    family = operator_family(node.nodes[0], node.parameters > 0)
    if family == "function" and not node.parameters and len(node.nodes) == 1:
        return DiagramNode(node.kind, "", "", 0, leaving, family)
    title = node.layer or node.nodes[0].output[0]
    return DiagramNode(title, node.kind, arguments_text(node.nodes[0], shapes.known), parameters, leaving, family)
