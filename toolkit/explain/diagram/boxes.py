"""Boxes of a network diagram: its layers, with branched blocks closed unless asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runtime.errors import SpecError
from toolkit.explain.diagram.flow import INPUT, Call

__all__ = ["Box", "Diagram", "diagram"]

_FEWEST = 4  # a diagram of fewer boxes shows too little: its blocks are opened


@dataclass(frozen=True)
class Box:
    """A layer, a closed block or a joining function, and the positions of the boxes before it (or `INPUT`)."""

    call: Call
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Diagram:
    """Boxes in the order of execution, and the positions of those that the output comes from."""

    boxes: tuple[Box, ...]
    output: tuple[int, ...]


def diagram(root: Call, depth: int | None = None, most: int = 60) -> Diagram:
    """The boxes of a network.

    Args:
        root: what `trace_flow` found.
        depth: depth of blocks to open: 1 shows the network's own parts, 2 what is in them, and so on. None opens
            every block through which data takes one way only, leaves those with branches closed (residual and inception
            blocks), and opens the outermost of them too where hardly a box would be left.
        most: with `depth` None, blocks are closed again, the innermost first, until there are no more boxes than this.

    Raises:
        SpecError: `depth` is below 1.
    """
    if depth is not None:
        if not isinstance(depth, int) or depth < 1:
            raise SpecError(f"depth={depth!r} was given; a whole number of at least 1 is expected, or None.")
        return _diagram(root, {id(call) for call, level in _levels(root) if level < depth})
    opened = _straight(root, {id(root)})
    while True:
        found = _diagram(root, opened)
        closed = [box.call for box in found.boxes if box.call.has_layers]
        if len(found.boxes) >= _FEWEST or not closed:
            break
        opened = _straight(root, opened | {id(max(closed, key=lambda call: len(list(_levels(call)))))})
    levels = {id(call): level for call, level in _levels(root)}
    while len(found.boxes) > most and len(opened) > 1:
        deepest = max(levels[call] for call in opened)
        opened = {call for call in opened if levels[call] < deepest} or {id(root)}
        found = _diagram(root, opened)
    return found


def _straight(root: Call, opened: set[int]) -> set[int]:
    """`opened`, plus every unbranched block reachable in it."""
    # one class is drawn one way: where some of its blocks have branches, all stay closed
    branched = {type(call.module) for call, _ in _levels(root) if call.has_layers and call.branched}
    found = set(opened)

    def visit(call: Call) -> None:
        if id(call) in found or (call.has_layers and type(call.module) not in branched):
            found.add(id(call))
            for inner in call.calls:
                visit(inner)

    visit(root)
    return found


def _levels(root: Call, level: int = 0) -> Iterator[tuple[Call, int]]:
    """Every block with its depth, the network itself being 0."""
    if root.has_layers:
        yield root, level
        for call in root.calls:
            yield from _levels(call, level + 1)


def _diagram(root: Call, opened: set[int]) -> Diagram:
    boxes: list[Box] = []

    def place(call: Call, sources: tuple[int, ...]) -> tuple[int, ...]:
        if id(call) not in opened or not call.has_layers:
            boxes.append(Box(call, sources))
            return (len(boxes) - 1,)
        ends: dict[int, tuple[int, ...]] = {INPUT: sources}
        for position, inner in enumerate(call.calls):
            ends[position] = place(inner, _merged(ends, inner.sources))
        return _merged(ends, call.output)

    output = place(root, (INPUT,))
    return Diagram(tuple(boxes), output)


def _merged(ends: dict[int, tuple[int, ...]], sources: Sequence[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(end for source in sources for end in ends[source]))
