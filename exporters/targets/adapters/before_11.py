"""Lowering from 11 to 9: limits, pads and ranges that became inputs, and axes counted from the end."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from exporters.targets.adapters.axes import constant_integers
from exporters.targets.adapters.registry import step
from exporters.targets.scope import CannotLower, Scope, attribute, set_attribute

_COUNTED_FROM_THE_END = (
    "ArgMax",
    "ArgMin",
    "Concat",
    "Flatten",
    "Gather",
    "OneHot",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Softmax",
    "LogSoftmax",
    "Hardmax",
    "Split",
    "Squeeze",
)


@step(11, *_COUNTED_FROM_THE_END)
def axes_from_the_start(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower negative axes: count them from the start."""
    for name in ("axis", "axes"):
        given = attribute(node, name)
        axes = given if isinstance(given, list) else [given] if isinstance(given, int) else []
        if all(axis >= 0 for axis in axes):
            continue
        rank = scope.rank(node.input[0])
        if rank is None:
            raise CannotLower(f"{node.op_type} over axis {axes} of a value whose number of axes is not known")
        counted = [axis % rank for axis in axes]
        set_attribute(node, name, counted if name == "axes" else counted[0])
    return [node]


@step(11, "Unsqueeze")
def unsqueeze(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower negative axes of Unsqueeze: count them from the start of the result."""
    axes, rank = attribute(node, "axes"), scope.rank(node.input[0])
    assert isinstance(axes, list)
    if any(axis < 0 for axis in axes):
        if rank is None:
            raise CannotLower("Unsqueeze at an axis counted from the end of a value whose number of axes is not known")
        set_attribute(node, "axes", [axis % (rank + len(axes)) for axis in axes])
    return [node]


@step(11, "Clip")
def clip(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Clip: limits as attributes."""
    if scope.element(node.input[0]) not in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE):
        raise CannotLower("Clip of integers")
    for position, name in ((1, "min"), (2, "max")):
        if len(node.input) > position and node.input[position]:
            limit = scope.constant(node.input[position])
            if limit is None:
                raise CannotLower("Clip to limits that are computed in the graph")
            set_attribute(node, name, float(limit.reshape(())))
    del node.input[1:]
    return [node]


@step(11, "Pad")
def pad(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Pad: lengths and value as attributes."""
    pads = constant_integers(node, 1, scope)
    value = scope.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros(())
    if value is None:
        raise CannotLower("Pad with a value that is computed in the graph")
    set_attribute(node, "pads", pads)
    set_attribute(node, "value", float(value.reshape(())))
    del node.input[1:]
    return [node]


@step(11, "Gemm")
def gemm(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Gemm: add a zero for the third input where it is left out."""
    if len(node.input) < 3 or not node.input[2]:
        element = scope.element(node.input[0])
        if element is None:
            raise CannotLower("Gemm of a value whose type is not known")
        nothing = scope.add_constant(np.zeros(1, helper.tensor_dtype_to_np_dtype(element)), f"{node.output[0]}_none")
        node.input[:] = [*node.input[:2], nothing]
    return [node]


@step(11, "TopK")
def greatest(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower TopK: drop `largest` and `sorted`; before 11 it gives the largest, sorted, only."""
    if not attribute(node, "largest", 1):
        raise CannotLower("TopK of the smallest (largest=0)")
    set_attribute(node, "largest", None)
    set_attribute(node, "sorted", None)
    return axes_from_the_start(node, scope)


@step(11, "Resize")
def resize(node: onnx.NodeProto, _scope: Scope) -> list[onnx.NodeProto]:
    """Lower Resize: asymmetric coordinates and scales only. Raises CannotLower for others."""
    coordinates = attribute(node, "coordinate_transformation_mode", "half_pixel")
    nearest = attribute(node, "mode", "nearest") == "nearest"
    if coordinates != "asymmetric" or (nearest and attribute(node, "nearest_mode", "round_prefer_floor") != "floor"):
        raise CannotLower(f"Resize with coordinate_transformation_mode {coordinates!r}")
    if attribute(node, "mode", "nearest") == "cubic" or (len(node.input) > 3 and node.input[3]):
        raise CannotLower("Resize with mode 'cubic', or to sizes")
    for name in (
        "coordinate_transformation_mode",
        "nearest_mode",
        "cubic_coeff_a",
        "exclude_outside",
        "extrapolation_value",
    ):
        set_attribute(node, name, None)
    node.input[:] = [node.input[0], node.input[2]]
    return [node]


@step(10, "Resize")
def upsample(node: onnx.NodeProto, _scope: Scope) -> list[onnx.NodeProto]:
    """Under its earlier name."""
    node.op_type = "Upsample"
    return [node]


@step(11, "ScatterElements")
def scatter(node: onnx.NodeProto, _scope: Scope) -> list[onnx.NodeProto]:
    """Under its earlier name."""
    node.op_type = "Scatter"
    return [node]


@step(10, "Slice")
def ranges(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Slice: starts, ends and axes as attributes."""
    starts, ends, axes, steps = (constant_integers(node, position, scope) for position in range(1, 5))
    if steps is not None and any(stride != 1 for stride in steps):
        raise CannotLower("Slice with steps")
    rank = scope.rank(node.input[0])
    if axes is not None and any(axis < 0 for axis in axes):
        if rank is None:
            raise CannotLower("Slice of axes counted from the end of a value whose number of axes is not known")
        axes = [axis % rank for axis in axes]
    for name, numbers in (("starts", starts), ("ends", ends), ("axes", axes)):
        set_attribute(node, name, numbers)
    del node.input[1:]
    return [node]


@step(10, "TopK")
def count(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower TopK: `k` as an attribute."""
    numbers = constant_integers(node, 1, scope)
    assert numbers is not None
    set_attribute(node, "k", numbers[0])
    del node.input[1:]
    return [node]
