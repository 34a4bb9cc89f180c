"""A drawing of a network: boxes from top to bottom, arrows with the shapes that flow along them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from runtime.errors import SpecError
from toolkit.explain.boxes import Diagram, diagram
from toolkit.explain.diagram_layout import lay_out
from toolkit.explain.diagram_places import HEIGHT, MARGIN, Places, Point, arrow
from toolkit.explain.figures import INK, MUTED, figure_bytes
from toolkit.explain.flow import Call, trace_flow
from toolkit.explain.layer_text import arguments_text, count_layers, family

__all__ = ["draw_network"]

_BOX, _PILL = (3.5, HEIGHT), (0.95, 0.3)  # width and height in inches
_ROWS = 14  # ranks that a column holds, about

# family -> fill and edge; the box says in words what it is, so no one needs to tell the colours apart
_STYLES = {
    "convolution": ("#dcebf7", "#0072b2"),
    "linear": ("#fdecc8", "#b97f00"),
    "pooling": ("#d6f0e6", "#007a5a"),
    "normalization": ("#eeeeee", "#6b6b6b"),
    "activation": ("#fae0d2", "#b34a00"),
    "sequence": ("#f5e2ee", "#a34e83"),
    "shape": ("#ffffff", "#6b6b6b"),
    "block": ("#e6e8fa", "#4a56a6"),
    "function": ("#ffffff", "#222222"),
    "end": ("#ffffff", "#222222"),
}


@dataclass(frozen=True)
class _Node:
    """What one box says: a name and a kind above, arguments and parameters below. Without a kind it is a pill."""

    name: str
    kind: str
    arguments: str
    parameters: int
    shape: tuple[int, ...]
    family: str

    @property
    def size(self) -> Point:
        return _BOX if self.kind else _PILL


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
        depth: how many blocks deep to look; None opens what is a plain sequence and leaves blocks with branches closed.
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
        f"input {_shape(input_shape)}, output {_shape(root.output_shape)}"
    )
    figure = _figure(_nodes(found, tuple(input_shape), root), _sources(found), heading, facts)
    return figure_bytes(figure, kind, title=f"{heading}: {facts}")


def _nodes(found: Diagram, input_shape: tuple[int, ...], root: Call) -> list[_Node]:
    """The input, every box and the output."""
    nodes = [_Node("input", "", "", 0, input_shape, "end")]
    for box in found.boxes:
        call = box.call
        if call.module is None:
            nodes.append(_Node(call.kind, "", "", 0, call.output_shape, "function"))
            continue
        parameters = sum(parameter.numel() for parameter in call.module.parameters())
        name = call.name or "network"
        nodes.append(_Node(name, call.kind, arguments_text(call), parameters, call.output_shape, family(call)))
    return [*nodes, _Node("output", "", "", 0, root.output_shape, "end")]


def _sources(found: Diagram) -> list[tuple[int, ...]]:
    """The nodes before each node; the input is node 0, so boxes count from 1."""
    return [
        (),
        *(tuple(source + 1 for source in box.sources) for box in found.boxes),
        tuple(end + 1 for end in found.output),
    ]


def _figure(nodes: Sequence[_Node], sources: Sequence[tuple[int, ...]], heading: str, facts: str) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch

    layout = lay_out(sources, _ROWS)
    places = Places([node.size for node in nodes], layout)
    width = max(places.width, 0.071 * len(facts) + 2 * MARGIN)
    figure = Figure(figsize=(width, places.height), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(places.height, 0)
    axes.set_axis_off()
    _write(axes, MARGIN, 0.24, heading, 13, INK, bold=True)
    _write(axes, MARGIN, 0.49, facts, 9, MUTED)
    for route in layout.routes:
        style = "-|>,head_length=4,head_width=2.2"
        axes.add_patch(
            FancyArrowPatch(path=arrow(places, route), arrowstyle=style, color=MUTED, linewidth=1.1, zorder=1)
        )
    leaving = {route.source for route in layout.routes}
    forked = {r.source for r in layout.routes if r.lane not in (None, layout.lanes[r.source])} | {
        r.source for r in layout.routes if layout.lanes[r.target] > layout.lanes[r.source]
    }
    for number, node in enumerate(nodes):
        _draw_node(axes, node, *places.top(number))
        if number in leaving:
            x, y = places.bottom(number)
            side = -1 if number in forked else 1  # arrows to other lanes leave to the right
            y += 0.17 if node.family == "block" else 0.13
            _write(axes, x + 0.09 * side, y, _shape(node.shape), 8, MUTED, align="left" if side > 0 else "right")
    return figure


def _draw_node(axes: Any, node: _Node, x: float, y: float) -> None:
    """A box whose upper edge has its middle at (x, y)."""
    from matplotlib.patches import FancyBboxPatch

    fill, edge = _STYLES[node.family]
    width, height = node.size
    pill = not node.kind
    rounding = height / 2 if pill else 0.06
    for shift in (0.05, 0.0) if node.family == "block" else (0.0,):  # a closed block is a stack
        corner = (x - width / 2 + rounding + shift, y + rounding + shift)
        inner = (width - 2 * rounding, height - 2 * rounding)
        style = f"round,pad={rounding}"
        axes.add_patch(FancyBboxPatch(corner, *inner, boxstyle=style, facecolor=fill, edgecolor=edge, zorder=2))
    if pill:
        _write(axes, x, y + height / 2, _cut(node.name, 13), 8.5, INK, align="center")
        return
    left, right = x - width / 2 + 0.1, x + width / 2 - 0.1
    kind = _cut(node.kind, 22)
    parameters = f"{node.parameters:,} par." if node.parameters else ""
    first = 0.16 if node.arguments or parameters else height / 2
    _write(axes, left, y + first, _tail(node.name, 40 - len(kind)), 9, INK, bold=True)
    _write(axes, right, y + first, kind, 9, edge, align="right")
    _write(axes, left, y + 0.355, _cut(node.arguments, 52 - len(parameters), at=", "), 8, INK)
    _write(axes, right, y + 0.355, parameters, 8, MUTED, align="right")


def _write(
    axes: Any, x: float, y: float, text: str, size: float, color: str, align: str = "left", bold: bool = False
) -> None:
    weight = "bold" if bold else "normal"
    axes.text(
        x, y, text, fontsize=size, color=color, ha=align, va="center", fontweight=weight, parse_math=False, zorder=3
    )


def _shape(shape: Sequence[int]) -> str:
    return f"({', '.join(['N', *map(str, shape)])})"


def _cut(text: str, most: int, at: str = "") -> str:
    """The beginning of `text`, up to the last `at` that fits."""
    text = re.sub(r"\s+", " ", text)
    if len(text) <= most:
        return text
    start = text[: most - 1]
    return (start.rpartition(at)[0] + at if at and at in start else start) + "…"


def _tail(text: str, most: int) -> str:
    """The end of a path tells more than its beginning."""
    return text if len(text) <= most else "…" + text[-(most - 1) :]
