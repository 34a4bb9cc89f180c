"""A diagram's layout in inches: positions of the boxes, and paths of the arrows between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolkit.explain.diagram.layout import Layout, Route

__all__ = ["HEIGHT", "MARGIN", "Places", "Point", "arrow"]

Point = tuple[float, float]

HEIGHT, MARGIN = 0.5, 0.25  # of the highest box; around the drawing
_GAP, _LANE, _BETWEEN, _GUTTER, _HEAD = 0.42, 0.3, 0.2, 0.55, 0.92
_RADIUS = 0.08


class Places:
    """Positions of nodes of the given (width, height); y goes downwards.

    Attributes:
        width, height: of the whole drawing.
        gutters: x to the left of each column.
    """

    def __init__(self, sizes: Sequence[Point], layout: Layout) -> None:
        self.sizes, self.layout = sizes, layout
        lanes = max([*layout.lanes, *(route.lane or 0 for route in layout.routes)]) + 1
        self._centres: list[list[float]] = []  # per column, x of each lane
        self.gutters: list[float] = []
        left = MARGIN
        for first, last in layout.columns:
            widths = [0.0] * lanes
            for (width, _), rank, lane in zip(sizes, layout.ranks, layout.lanes, strict=True):
                if first <= rank <= last:
                    widths[lane] = max(widths[lane], width)
            for route in layout.routes:
                if route.lane is not None and layout.ranks[route.source] < last and layout.ranks[route.target] > first:
                    widths[route.lane] = max(widths[route.lane], _LANE)
            self.gutters.append(left - _GUTTER / 2)
            self._centres.append([])
            for width in widths:
                self._centres[-1].append(left + width / 2)
                left += width + (_BETWEEN if width else 0.0)
            left += _GUTTER
        self.width = left - _GUTTER + MARGIN
        self.height = _HEAD + max(last - first + 1 for first, last in layout.columns) * (HEIGHT + _GAP) + 0.1

    def x(self, rank: int, lane: int) -> float:
        """The middle of a lane."""
        return self._centres[self.layout.column(rank)][lane]

    def y(self, rank: int) -> float:
        """The top of a rank."""
        first, _ = self.layout.columns[self.layout.column(rank)]
        return _HEAD + (rank - first) * (HEIGHT + _GAP)

    def top(self, node: int) -> Point:
        """The middle of a node's upper edge."""
        rank = self.layout.ranks[node]
        return self.x(rank, self.layout.lanes[node]), self.y(rank) + (HEIGHT - self.sizes[node][1]) / 2

    def bottom(self, node: int) -> Point:
        """The middle of a node's lower edge."""
        x, top = self.top(node)
        return x, top + self.sizes[node][1]


def arrow(places: Places, route: Route) -> Any:
    """A Matplotlib path: down from the source, through the arrow's lane, over to the next column where one ends, into the target."""
    from matplotlib.path import Path

    layout, last = places.layout, places.layout.ranks[route.target]
    points, codes = [places.bottom(route.source)], [Path.MOVETO]
    for rank in range(layout.ranks[route.source] + 1, last + 1):
        goal = places.top(route.target) if rank == last else (places.x(rank, route.lane or 0), places.y(rank))
        x, y = points[-1]
        if layout.column(rank) != layout.column(rank - 1):
            corners = _round_corners(points[-1], goal, places.gutters[layout.column(rank)])
            points += corners
            codes += [Path.LINETO, Path.CURVE3, Path.CURVE3] * (len(corners) // 3) + [Path.LINETO]
        elif abs(goal[0] - x) < 1e-6:
            points.append(goal)
            codes.append(Path.LINETO)
        else:
            middle = (y + goal[1]) / 2
            points += [(x, middle + _RADIUS), (goal[0], middle - _RADIUS), goal]
            codes += [Path.CURVE4] * 3
        if rank != last:
            points.append((goal[0], places.y(rank) + HEIGHT))
            codes.append(Path.LINETO)
    return Path(points, codes)


def _round_corners(start: Point, end: Point, gutter: float) -> list[Point]:
    """Down, right to the gutter, up, right again and down: three points per corner, then the end."""
    low, high = start[1] + 0.26, end[1] - 0.2
    stops = [start, (start[0], low), (gutter, low), (gutter, high), (end[0], high), end]
    path: list[Point] = []
    for before, corner, after in zip(stops, stops[1:], stops[2:], strict=False):
        path += [_towards(corner, before), corner, _towards(corner, after)]
    return [*path, end]


def _towards(corner: Point, other: Point) -> Point:
    """The point on the way from a corner to another where its rounding begins."""
    across, down = other[0] - corner[0], other[1] - corner[1]
    share = min(1.0, _RADIUS / max(1e-9, abs(across) + abs(down)))
    return corner[0] + across * share, corner[1] + down * share
