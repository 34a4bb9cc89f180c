"""Pad and Resize, whose inputs changed with 18 and 13, GridSample's modes (20), and quantisation along an axis (13)."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from exporters.targets.adapters.axes import constant_integers
from exporters.targets.adapters.registry import step
from exporters.targets.scope import CannotLower, Scope, attribute, set_attribute


@step(19, "Pad")
def pad_wrapped(node: onnx.NodeProto, _scope: Scope) -> list[onnx.NodeProto]:
    """Lower Pad: mode "wrap" came with 19."""
    if attribute(node, "mode", "constant") == "wrap":
        raise CannotLower("Pad with mode 'wrap'")
    return [node]


@step(18, "Pad")
def pad_axes(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Pad: pads of some axes -> of all axes, the others 0."""
    axes = constant_integers(node, 3, scope)
    del node.input[3:]
    while node.input and not node.input[-1]:
        del node.input[-1]
    if axes is None:
        return [node]
    rank, given = scope.rank(node.input[0]), constant_integers(node, 1, scope)
    if rank is None or given is None:
        raise CannotLower("Pad of some axes of a value whose number of axes is not known")
    pads = np.zeros((2, rank), np.int64)
    pads[:, axes] = np.reshape(given, (2, len(axes)))
    node.input[1] = scope.add_constant(pads.reshape(-1), f"{node.output[0]}_pads")
    return [node]


@step(19, "Resize")
def resize_modes(node: onnx.NodeProto, _scope: Scope) -> list[onnx.NodeProto]:
    """Lower Resize: the coordinates "half_pixel_symmetric" came with 19."""
    if attribute(node, "coordinate_transformation_mode", "half_pixel") == "half_pixel_symmetric":
        raise CannotLower("Resize with coordinate_transformation_mode 'half_pixel_symmetric'")
    return [node]


@step(18, "Resize")
def resize_axes(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Resize: scales or sizes of some axes -> of all axes; no antialiasing, no aspect ratio policy."""
    if attribute(node, "antialias", 0):
        raise CannotLower("Resize with antialiasing (antialias=1)")
    if attribute(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
        raise CannotLower("Resize that keeps the aspect ratio (keep_aspect_ratio_policy)")
    axes = attribute(node, "axes")
    for name in ("antialias", "keep_aspect_ratio_policy", "axes"):
        set_attribute(node, name, None)
    if axes is None:
        return [node]
    assert isinstance(axes, list)
    if len(node.input) > 1 and node.input[1]:
        raise CannotLower("Resize of a region along some axes")
    rank = scope.rank(node.input[0])
    if rank is None:
        raise CannotLower("Resize of some axes of a value whose number of axes is not known")
    places = [axis % rank for axis in axes]
    nodes: list[onnx.NodeProto] = []
    for position in (2, 3):
        if len(node.input) > position and node.input[position]:
            nodes += _for_all_axes(node, position, places, rank, scope)
    return [*nodes, node]


def _for_all_axes(
    node: onnx.NodeProto, position: int, places: list[int], rank: int, scope: Scope
) -> list[onnx.NodeProto]:
    """Expand scales (input 2) or sizes (input 3) of some axes to all, filled with 1 or the input's own lengths."""
    own, both, whole = (scope.new_name(f"{node.output[0]}_{word}") for word in ("own", "both", "whole"))
    if position == 2:
        first = helper.make_node("Constant", [], [own], value_floats=[1.0] * rank)
    else:
        first = helper.make_node("Shape", [node.input[0]], [own])
    order = [rank + places.index(place) if place in places else place for place in range(rank)]
    taken = scope.add_constant(np.array(order, np.int64), f"{node.output[0]}_order")
    given, node.input[position] = node.input[position], whole
    return [
        first,
        helper.make_node("Concat", [own, given], [both], axis=0),
        helper.make_node("Gather", [both, taken], [whole]),
    ]


@step(13, "Resize")
def resize_inputs(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Resize: replace omitted roi and scales by empty tensors."""
    inputs = [*node.input, "", ""][: max(3, len(node.input))]
    for position in (1, 2):
        if not inputs[position]:
            inputs[position] = scope.add_constant(np.zeros(0, np.float32), f"{node.output[0]}_none")
    node.input[:] = inputs
    return [node]


@step(20, "GridSample")
def grid_sample(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower GridSample: earlier names of the modes; pictures only, no volumes."""
    if scope.rank(node.input[0]) not in (None, 4):
        raise CannotLower("GridSample of volumes")
    mode = attribute(node, "mode", "linear")
    set_attribute(node, "mode", {"linear": "bilinear", "cubic": "bicubic"}.get(str(mode), mode))
    return [node]


@step(13, "QuantizeLinear", "DequantizeLinear")
def quantisation_axis(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower quantisation: one scale per tensor only. Scales along an axis came with 13."""
    axes = scope.axes(node.input[1])
    if axes is None or any(length != 1 for length in axes):
        raise CannotLower(f"{node.op_type} with a scale for each channel")
    set_attribute(node, "axis", None)
    for position in range(1, len(node.input)):
        given = scope.constant(node.input[position])
        if axes and given is not None:
            node.input[position] = scope.add_constant(given.reshape(()), f"{node.input[position]}_scalar")
    return [node]
