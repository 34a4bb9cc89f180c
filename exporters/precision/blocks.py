"""A graph cut into blocks, one for each operator that computes: the pieces that can be left in float."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

__all__ = ["COMPUTING", "Block", "cut_into_blocks", "ending_nodes"]

COMPUTING = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators whose arithmetic becomes 8 bits wide."""


@dataclass(frozen=True)
class Block:
    """An operator that computes, with those behind it up to the next one.

    Attributes:
        name: of the node that computes.
        kind: its operator.
        nodes: the names of all, in order.
    """

    name: str
    kind: str
    nodes: tuple[str, ...]


def cut_into_blocks(graph: onnx.GraphProto) -> tuple[Block, ...]:
    """Named nodes in topological order -> blocks. What comes before the first that computes belongs to it."""
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
    """Names of the nodes behind all that computes: probabilities are made there, and are not to be rounded to 256 levels."""
    feeding: set[str] = set()  # tensors that something that computes depends on
    ending = set()
    for node in reversed(graph.node):
        if node.op_type in COMPUTING or feeding & set(node.output):
            feeding |= set(node.input)
        else:
            ending.add(node.name)
    return frozenset(ending)
