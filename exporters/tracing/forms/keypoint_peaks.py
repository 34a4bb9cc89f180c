"""Keypoint peaks: positions of the maxima of heat maps resized to their boxes, box by box as sizes differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["keypoints_of", "peaks", "translations"]


@torch.library.custom_op("onnx_edge_toolkit::peaks", mutates_args=())
def peaks(maps: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    """Resize heat maps bicubically and find the maximum of each.

    Args:
        maps: (R, K, M, M).
        sizes: (R, 2) int64, height and width that each is resized to.

    Returns:
        (R, K, 3): row, column and value of the first maximum.
    """
    result = maps.new_zeros(*maps.shape[:2], 3)
    for number, size in enumerate(sizes.tolist()):
        resized = torch.nn.functional.interpolate(maps[number, None], size, mode="bicubic", align_corners=False)[0]
        values, places = resized.flatten(1).max(1)
        result[number] = torch.stack([places // size[1], places % size[1], values], 1)
    return result


@peaks.register_fake
def _(maps: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    return maps.new_empty(*maps.shape[:2], 3)


def keypoints_of(maps: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Keypoints from heat maps, as torchvision's heatmaps_to_keypoints.

    Args:
        maps: (R, K, M, M).
        boxes: (R, 4): x1, y1, x2, y2.

    Returns:
        Keypoints (R, K, 3): x, y and 1; their scores (R, K).
    """
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)  # width, height
    whole = sides.ceil()
    found = peaks(maps, whole.to(torch.int64).flip(1))
    places = (found[..., :2].flip(-1) + 0.5) * (sides / whole)[:, None] + boxes[:, None, :2]
    return torch.cat([places, torch.ones_like(places[..., :1])], -1), found[..., 2]


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Translation table: operator of this file -> the ONNX function that the exporter writes for it."""
    return {torch.ops.onnx_edge_toolkit.peaks.default: _onnx_peaks}


def _onnx_peaks(maps: Any, sizes: Any) -> Any:
    """ONNX Scan over the boxes: the resized map's size differs by step, the results' does not."""
    import onnx_ir
    from onnx import parser
    from onnxscript import opset18

    op: Any = opset18
    body = onnx_ir.from_proto(parser.parse_graph(_PEAKS_OF_ONE))
    return op.Scan(maps, sizes, body=body, num_scan_inputs=2)


_PEAKS_OF_ONE = """
one_box (float[K, M, M] map, int64[2] size) => (float[K, 3] found) {
    first = Constant <value_ints = [0]> ()
    second = Constant <value_ints = [1]> ()
    third = Constant <value_ints = [2]> ()
    single = Unsqueeze (map, first)
    shape = Shape <end = 2> (single)
    to = Concat <axis = 0> (shape, size)
    resized = Resize <mode = "cubic", cubic_coeff_a = -0.75, coordinate_transformation_mode = "half_pixel"> (single, , , to)
    flat = Flatten <axis = 2> (resized)
    place = ArgMax <axis = 1> (flat)
    value = ReduceMax (flat, second)
    width = Slice (size, second, third)
    row = Div (place, width)
    before = Mul (row, width)
    column = Sub (place, before)
    rows = Cast <to = 1> (row)
    columns = Cast <to = 1> (column)
    found = Concat <axis = 1> (rows, columns, value)
}
"""
