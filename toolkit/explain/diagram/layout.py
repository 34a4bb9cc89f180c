"""Diagram layout: ranks from top to bottom, branches side by side in lanes, wrapped into columns."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

__all__ = ["Layout", "Route", "lay_out"]


@dataclass(frozen=True)
class Route:
    """An arrow from one node to another, and the lane in which it passes the ranks between them (None: there are none)."""

    source: int
    target: int
    lane: int | None


@dataclass
class Layout:
    """Layout of nodes numbered from 0 in topological order.

    Attributes:
        ranks: rank of each node, from the top.
        lanes: lane of each node, from the left.
        routes: the arrows.
        columns: first and last rank of each column, from the left.
    """

    ranks: list[int]
    lanes: list[int]
    routes: list[Route] = field(default_factory=list)
    columns: list[tuple[int, int]] = field(default_factory=list)

    def column(self, rank: int) -> int:
        """The column that a rank is in."""
        return next(number for number, (first, last) in enumerate(self.columns) if first <= rank <= last)


def lay_out(sources: Sequence[Iterable[int]], rows: int) -> Layout:
    """Lay out nodes; `sources` are the predecessors of each. A column holds about `rows` ranks.

    The longest path goes straight down lane 0. Every other branch, and every arrow that passes over ranks (the
    shortcut of a residual block), takes the first lane that is free as long as it needs it. A column ends only where a single
    arrow goes on.
    """
    before = [sorted(set(nodes)) for nodes in sources]
    after: list[list[int]] = [[] for _ in before]
    ranks: list[int] = []
    for node, earlier in enumerate(before):
        ranks.append(max((ranks[source] + 1 for source in earlier), default=0))
        for source in earlier:
            after[source].append(node)
    lanes = [-1] * len(before)
    taken = _Taken()
    straight: set[tuple[int, int]] = set()  # arrows within a branch
    last_of: set[int] = set()  # last nodes of branches, whose lanes are kept until they join
    for path in _paths(after, ranks):
        last = path[-1]
        end = max([ranks[last], *(ranks[target] - 1 for target in after[last])])
        lane = taken.first(ranks[path[0]], end)
        for node in path:
            lanes[node] = lane
        straight.update(itertools.pairwise(path))
        last_of.add(last)
    layout = Layout(ranks, lanes)
    arrows = [(source, target) for source, targets in enumerate(after) for target in targets]
    for source, target in sorted(arrows, key=lambda arrow: ranks[arrow[1]] - ranks[arrow[0]]):
        passing: int | None = None
        if ranks[target] - ranks[source] > 1:
            kept = source in last_of or (source, target) in straight
            passing = lanes[source] if kept else taken.first(ranks[source] + 1, ranks[target] - 1, lanes[source] + 1)
        layout.routes.append(Route(source, target, passing))
    layout.columns = _columns(layout, rows)
    return layout


class _Taken:
    """Occupied ranks of each lane."""

    def __init__(self) -> None:
        self.lanes: list[list[tuple[int, int]]] = []

    def first(self, start: int, end: int, least: int = 0) -> int:
        """Take the first lane from `least` on that is free from rank `start` to rank `end`."""
        lane = least
        while True:
            while lane >= len(self.lanes):
                self.lanes.append([])
            if all(end < used_start or start > used_end for used_start, used_end in self.lanes[lane]):
                self.lanes[lane].append((start, end))
                return lane
            lane += 1


def _paths(after: Sequence[Sequence[int]], ranks: Sequence[int]) -> list[list[int]]:
    """Partition of the nodes into paths: the longest first, then the others by rank, each greedily extended."""
    length = [1] * len(after)
    for node in reversed(range(len(after))):
        length[node] = 1 + max((length[target] for target in after[node]), default=0)
    free = set(range(len(after)))
    paths = []
    for start in sorted(free, key=lambda node: (ranks[node], -length[node], node)):
        if start in free:
            path = [start]
            free.discard(start)
            while following := [target for target in after[path[-1]] if target in free]:
                path.append(max(following, key=lambda node: (length[node], -node)))
                free.discard(path[-1])
            paths.append(path)
    return paths


def _columns(layout: Layout, rows: int) -> list[tuple[int, int]]:
    last = max(layout.ranks)
    crossing = [0] * (last + 1)  # how many arrows cross from each rank to the next
    for route in layout.routes:
        for rank in range(layout.ranks[route.source], layout.ranks[route.target]):
            crossing[rank] += 1
    if last < 1.5 * rows:
        return [(0, last)]
    even = math.ceil((last + 1) / max(1, round((last + 1) / rows)))
    columns, first = [], 0
    while first <= last:
        # a column is at least half full; where its arrows leave no place to end, it grows
        ends = [rank for rank in range(first + even // 2, last) if crossing[rank] == 1]
        if last - first + 1 <= 1.3 * even or not ends:
            end = last
        else:
            end = min(ends, key=lambda rank: (abs(rank - first + 1 - even), rank))
        columns.append((first, end))
        first = end + 1
    return columns
