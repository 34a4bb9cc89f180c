"""Network diagram: boxes from top to bottom, arrows with the shapes that flow along them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from runtime.errors import SpecError
from toolkit.explain.diagram.boxes import Diagram, diagram
from toolkit.explain.diagram.figure import DiagramNode, diagram_figure, shape_text
from toolkit.explain.diagram.flow import Call, trace_flow
from toolkit.explain.diagram.layer_text import arguments_text, count_layers, family
from toolkit.explain.figures import figure_bytes

__all__ = ["draw_network"]


def draw_network(
    network: torch.nn.Module,
    input_shape: Sequence[int],
    kind: Literal["png", "svg"] = "png",
    *,
    input_dtype: str = "float32",
    depth: int | None = None,
    title: str | None = None,
) -> bytes:
    """Draw a network: each layer with its name, class, main arguments and parameters, each arrow with its shape.

    Args:
        network: any module; its weights do not matter.
        input_shape: of one input, without the batch axis.
        kind: "png" or "svg".
        input_dtype: "float32", or "int64" for tokens.
        depth: depth of blocks to open; None opens plain sequences and leaves branched blocks closed.
        title: above the drawing; None takes the network's class.

    Returns:
        The content of the file.

    Raises:
        SpecError: `kind`, `depth` or `input_dtype` is none of these.
        InputError: the network cannot take an input of that shape.
    """
    if kind not in ("png", "svg"):
        raise SpecError(f"kind={kind!r} was given; 'png' or 'svg' is expected.")
    dtype = getattr(torch, str(input_dtype), None)
    if not isinstance(dtype, torch.dtype):
        raise SpecError(
            f"input_dtype={input_dtype!r} was given; a type of numbers such as 'float32' or 'int64' is expected."
        )
    root = trace_flow(network, input_shape, dtype=dtype)
    found = diagram(root, depth)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    layers = count_layers(root)
    heading = title or type(network).__name__
    facts = (
        f"{layers} layer{'s' * (layers != 1)}, {parameters:,} parameters, "
        f"input {shape_text(input_shape)}, output {shape_text(root.output_shape)}"
    )
    figure = diagram_figure(_nodes(found, tuple(input_shape), root), _sources(found), heading, facts)
    return figure_bytes(figure, kind, title=f"{heading}: {facts}")


def _nodes(found: Diagram, input_shape: tuple[int, ...], root: Call) -> list[DiagramNode]:
    """Nodes of the figure: the input, every box and the output."""
    nodes = [DiagramNode("input", "", "", 0, shape_text(input_shape), "end")]
    for box in found.boxes:
        call = box.call
        if call.module is None:
            nodes.append(DiagramNode(call.kind, "", "", 0, shape_text(call.output_shape), "function"))
            continue
        parameters = sum(parameter.numel() for parameter in call.module.parameters())
        name = call.name or "network"
        nodes.append(
            DiagramNode(name, call.kind, arguments_text(call), parameters, shape_text(call.output_shape), family(call))
        )
    return [*nodes, DiagramNode("output", "", "", 0, shape_text(root.output_shape), "end")]


def _sources(found: Diagram) -> list[tuple[int, ...]]:
    """The nodes before each node; the input is node 0, so boxes count from 1."""
    return [
        (),
        *(tuple(source + 1 for source in box.sources) for box in found.boxes),
        tuple(end + 1 for end in found.output),
    ]
