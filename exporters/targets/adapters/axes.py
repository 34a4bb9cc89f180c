"""Axes and lengths that became inputs: reductions (18), ReduceSum, Squeeze and Unsqueeze (13), Split (13 and 18)."""

from __future__ import annotations

import onnx
from onnx import helper

from exporters.targets.adapters.registry import step
from exporters.targets.scope import CannotLower, Scope, attribute, set_attribute

_REDUCTIONS = (
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSumSquare",
)


@step(18, *_REDUCTIONS)
@step(13, "ReduceSum")
def reduction(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower a reduction: axes as an attribute. With `noop_with_empty_axes` and no axes nothing is reduced."""
    axes = constant_integers(node, 1, scope)
    unchanged = bool(attribute(node, "noop_with_empty_axes", 0)) and not axes
    if unchanged and node.op_type in ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"):
        return [helper.make_node("Identity", [node.input[0]], list(node.output), name=node.name)]
    if unchanged:
        raise CannotLower(f"{node.op_type} without axes that leaves them all (noop_with_empty_axes=1)")
    set_attribute(node, "noop_with_empty_axes", None)
    set_attribute(node, "axes", axes or None)
    del node.input[1:]
    return [node]


@step(13, "Squeeze", "Unsqueeze")
def squeeze(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Squeeze and Unsqueeze: axes as an attribute."""
    set_attribute(node, "axes", constant_integers(node, 1, scope))
    del node.input[1:]
    return [node]


@step(18, "Split")
def split_evenly(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Split with `num_outputs`: explicit lengths where the last share is smaller than the others."""
    count = attribute(node, "num_outputs")
    set_attribute(node, "num_outputs", None)
    if count is None:
        return [node]
    assert isinstance(count, int)
    axes = scope.axes(node.input[0])
    axis = attribute(node, "axis", 0)
    assert isinstance(axis, int)
    length = None if axes is None else axes[axis]
    if length is None or length % count == 0:
        return [node]  # without lengths the shares are equal, and the runtime refuses what cannot be shared so
    share = -(-length // count)
    shares = [share] * (count - 1) + [length - share * (count - 1)]
    import numpy as np

    node.input[:] = [node.input[0], scope.add_constant(np.array(shares, np.int64), f"{node.output[0]}_split")]
    return [node]


@step(13, "Split")
def split(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Split: lengths as an attribute."""
    set_attribute(node, "split", constant_integers(node, 1, scope))
    del node.input[1:]
    return [node]


def constant_integers(node: onnx.NodeProto, position: int, scope: Scope) -> list[int] | None:
    """Constant integer input as a list; None where it is left out.

    Raises:
        CannotLower: the input is computed; the older operator takes it as an attribute, which is fixed.
    """
    if len(node.input) <= position or not node.input[position]:
        return None
    array = scope.constant(node.input[position])
    if array is None:
        raise CannotLower(f"{node.op_type} whose input {node.input[position]!r} is computed in the graph")
    return [int(value) for value in array.reshape(-1)]
