"""Quirks of ONNX Runtime releases: files refused although their versions allow them, found by running."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from exporters.targets.scope import Scope, attribute, set_attribute, subgraphs

__all__ = ["LAST_OPSET_WITH_RESHAPE_QUIRK", "plain_reshapes", "refused_reshapes"]

LAST_OPSET_WITH_RESHAPE_QUIRK = 15
"""The newest operator set of the releases that refuse Reshape's `allowzero`; the oldest that has it is 14."""


def plain_reshapes(model: onnx.ModelProto, *, computed: bool = False) -> int:
    """Remove `allowzero` from Reshape where it has no effect; returns the number of changed nodes.

    It has no effect where no length is 0. ONNX Runtime 1.8 to 1.10 refuse it beside a length of -1, and torch sets it everywhere.

    Args:
        model: it is changed.
        computed: also where the lengths are computed in the graph; they are 0 for empty inputs only.
    """
    count = 0
    for node, scope in _reshapes(Scope(model.graph, {}, set())):
        if not attribute(node, "allowzero", 0):
            continue
        shape = scope.constant(node.input[1])
        if (shape is not None and shape.all()) or (shape is None and computed):
            set_attribute(node, "allowzero", None)
            count += 1
    return count


def refused_reshapes(model: onnx.ModelProto) -> int:
    """Number of Reshape nodes that ONNX Runtime 1.8 to 1.10 refuse: `allowzero` beside a length of -1."""
    count = 0
    for node, scope in _reshapes(Scope(model.graph, {}, set())):
        shape = scope.constant(node.input[1])
        count += bool(attribute(node, "allowzero", 0)) and shape is not None and bool((shape < 0).any())
    return count


def _reshapes(scope: Scope) -> Iterator[tuple[onnx.NodeProto, Scope]]:
    for node in scope.graph.node:
        if node.op_type == "Reshape" and node.domain in ("", "ai.onnx"):
            yield node, scope
        for inner in subgraphs(node):
            yield from _reshapes(Scope(inner, {}, set(), scope))
