"""The figure of a diagram: boxes with text, arrows with the tensors' shapes. Needs no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.explain.diagram.layout import lay_out
from toolkit.explain.diagram.places import HEIGHT, MARGIN, Places, Point, arrow
from toolkit.explain.figures import INK, MUTED

__all__ = ["DiagramNode", "diagram_figure", "shape_text"]

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
class DiagramNode:
    """Text of one box: name and kind above, arguments and parameters below. Without a kind it is drawn as a pill.

    Attributes:
        name, kind, arguments: in words.
        parameters: number of parameters.
        shape: output shape, in words.
        family: selects the colour: a key of `_STYLES`.
    """

    name: str
    kind: str
    arguments: str
    parameters: int
    shape: str
    family: str

    @property
    def size(self) -> Point:
        """Width and height in inches."""
        return _BOX if self.kind else _PILL


def diagram_figure(nodes: Sequence[DiagramNode], sources: Sequence[tuple[int, ...]], heading: str, facts: str) -> Any:
    """Draw boxes from top to bottom.

    Args:
        nodes: in an order in which every arrow goes forwards.
        sources: the nodes before each node.
        heading, facts: the two lines above.

    Returns:
        A Matplotlib figure.
    """
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
            _write(axes, x + 0.09 * side, y, node.shape, 8, MUTED, align="left" if side > 0 else "right")
    return figure


def _draw_node(axes: Any, node: DiagramNode, x: float, y: float) -> None:
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


def shape_text(shape: Sequence[int]) -> str:
    """(3, 8) -> "(N, 3, 8)"."""
    return f"({', '.join(['N', *map(str, shape)])})"


def _cut(text: str, most: int, at: str = "") -> str:
    """Truncated text of at most `most` characters, cut after the last `at` where there is one, with an ellipsis."""
    text = re.sub(r"\s+", " ", text)
    if len(text) <= most:
        return text
    start = text[: most - 1]
    return (start.rpartition(at)[0] + at if at and at in start else start) + "…"


def _tail(text: str, most: int) -> str:
    """Last `most` characters of a path, with an ellipsis before them: its end is more specific than its beginning."""
    return text if len(text) <= most else "…" + text[-(most - 1) :]
