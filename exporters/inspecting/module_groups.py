"""Grouping of a large graph's operators by module, until few enough boxes remain to draw."""

from __future__ import annotations

import graphlib
from collections.abc import Sequence

from exporters.inspecting.graph_flow import ELEMENTWISE, FlowNode

__all__ = ["group_by_module"]


def group_by_module(nodes: Sequence[FlowNode], most: int) -> list[tuple[str, list[int]]]:
    """(name of the group or "", positions of its nodes), in an order in which data flows forwards.

    Modules are told by the names of weights; nodes without weights belong to the block that they lie in. The deepest blocks
    that give no more than `most` boxes are taken; where even the outermost are more, chains become one box each.
    """
    single = [("", [number]) for number in range(len(nodes))]
    if len(nodes) <= most:
        return single
    paths = _paths(nodes)
    groups = single
    for depth in range(max((len(path) for path in paths), default=0), 0, -1):
        groups = _gathered(nodes, [".".join(path[:depth]) for path in paths])
        if len(groups) <= most:
            return groups
    return _chains(nodes, groups)


def _paths(nodes: Sequence[FlowNode]) -> list[tuple[str, ...]]:
    """Module path of each node, as the parts of its name; () where it lies in none."""
    following = _following(nodes)
    paths: list[tuple[str, ...]] = []
    for number, node in enumerate(nodes):
        if node.layer:
            paths.append(tuple(node.layer.split(".")))
            continue
        before = [source for source in node.sources if isinstance(source, int)]
        block = paths[max(before)] if before else ()
        if before and nodes[max(before)].layer:
            block = block[:-1]
        joins = len(before) > 1 and node.nodes[0].op_type not in ELEMENTWISE
        if joins and (shared := _shared([paths[source] for source in before])):
            paths.append(shared)  # it joins the branches of one block
            continue
        if node.nodes[0].op_type not in ELEMENTWISE:
            # it lies between two parts of one block, or behind the block
            while block and not any(path[: len(block)] == block for path in following[number]):
                block = block[:-1]
        paths.append(block)
    return paths


def _shared(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Common prefix of all paths."""
    shared = min(paths, key=len)
    while any(path[: len(shared)] != shared for path in paths):
        shared = shared[:-1]
    return shared


def _following(nodes: Sequence[FlowNode]) -> list[set[tuple[str, ...]]]:
    """Modules of the nearest following nodes with weights, for each node."""
    after: list[list[int]] = [[] for _ in nodes]
    for number, node in enumerate(nodes):
        for source in node.sources:
            if isinstance(source, int):
                after[source].append(number)
    found: list[set[tuple[str, ...]]] = [set() for _ in nodes]
    for number in reversed(range(len(nodes))):
        for target in after[number]:
            layer = nodes[target].layer
            found[number] |= {tuple(layer.split("."))} if layer else found[target]
    return found


def _gathered(nodes: Sequence[FlowNode], names: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Group nodes of one name, except where data leaves the group and comes back: those nodes stay single."""
    opened: set[str] = {""}
    while True:
        of_node = [name if name not in opened else number for number, name in enumerate(names)]
        members: dict[str | int, list[int]] = {}
        for number, group in enumerate(of_node):
            members.setdefault(group, []).append(number)
        order: graphlib.TopologicalSorter[str | int] = graphlib.TopologicalSorter()
        for number, node in enumerate(nodes):
            sources = {of_node[source] for source in node.sources if isinstance(source, int)}
            order.add(of_node[number], *(sources - {of_node[number]}))
        try:
            groups = list(order.static_order())
        except graphlib.CycleError as error:
            opened |= {group for group in error.args[1] if isinstance(group, str)}
            continue
        return [
            (group if isinstance(group, str) and len(members[group]) > 1 else "", members[group]) for group in groups
        ]


def _chains(nodes: Sequence[FlowNode], groups: list[tuple[str, list[int]]]) -> list[tuple[str, list[int]]]:
    """Merge chains: groups that pass data straight on become one."""
    of_node = {number: position for position, (_, members) in enumerate(groups) for number in members}
    before: list[set[int]] = []
    after: list[set[int]] = [set() for _ in groups]
    for position, (_, members) in enumerate(groups):
        sources = {of_node[source] for number in members for source in nodes[number].sources if isinstance(source, int)}
        before.append(sources - {position})
        for source in before[-1]:
            after[source].add(position)
    chains: list[list[int]] = []
    chain_of: dict[int, list[int]] = {}
    for position in range(len(groups)):
        previous = next(iter(before[position]), -1)
        if len(before[position]) == 1 and len(after[previous]) == 1:
            chain_of[position] = chain_of[previous]
        else:
            chain_of[position] = []
            chains.append(chain_of[position])
        chain_of[position].append(position)
    return [
        (
            f"{groups[chain[0]][0] or 'chain'} …" if len(chain) > 1 else groups[chain[0]][0],
            [n for p in chain for n in groups[p][1]],
        )
        for chain in sorted(chains, key=lambda chain: chain[-1])
    ]
