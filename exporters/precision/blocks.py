"""Blocks of a graph, one per computing operator: the units that can be left in float."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

__all__ = ["COMPUTING", "Block", "cut_into_blocks", "ending_nodes"]

COMPUTING = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators whose arithmetic becomes 8 bits wide."""


@dataclass(frozen=True)
class Block:
    """A computing operator with the nodes after it, up to the next computing operator.

    Attributes:
        name: of the node that computes.
        kind: its operator.
        nodes: the names of all its nodes, in order.
    """

    name: str
    kind: str
    nodes: tuple[str, ...]


def cut_into_blocks(graph: onnx.GraphProto) -> tuple[Block, ...]:
    """Cut named nodes, in topological order, into blocks. Nodes before the first computing one belong to its block."""
    blocks: list[tuple[onnx.NodeProto, list[str]]] = []
    before: list[str] = []
    for node in graph.node:
        if node.op_type in COMPUTING:
            blocks.append((node, [*before, node.name]))
            before = []
        elif blocks:
            blocks[-1][1].append(node.name)
        else:
            before.append(node.name)
    return tuple(Block(first.name, first.op_type, tuple(names)) for first, names in blocks)


def ending_nodes(graph: onnx.GraphProto) -> frozenset[str]:
    """Names of the nodes after the last computing ones: they make probabilities, which 256 levels would spoil."""
    feeding: set[str] = set()  # tensors that something that computes depends on
    ending = set()
    for node in reversed(graph.node):
        if node.op_type in COMPUTING or feeding & set(node.output):
            feeding |= set(node.input)
        else:
            ending.add(node.name)
    return frozenset(ending)
