"""Picture pre-processing of a card as an ONNX graph: uint8 pictures in, the network's float32 input out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

from exporters.pre_post_processing.operators import Operators
from exporters.pre_post_processing.resampling import Size, resample
from runtime.card import ImageInput, InputCard

__all__ = ["Preparation", "build_preparation"]


@dataclass(frozen=True)
class Preparation:
    """Pre-processing graph: nodes from raw pictures to the network's input.

    Attributes:
        nodes, constants: of the graph.
        input: the raw pictures, uint8 (N, height, width, channels), or the raw rows, as the file declares them.
        output: the name of the network's input, float32 (N, *card.shape).
    """

    nodes: tuple[onnx.NodeProto, ...]
    constants: tuple[onnx.TensorProto, ...]
    input: onnx.ValueInfoProto
    output: str

    def as_model(self, card: InputCard, opset: int, ir_version: int) -> onnx.ModelProto:
        """Pre-processing graph as a model of its own, to be run and compared."""
        result = helper.make_tensor_value_info(self.output, TensorProto.FLOAT, ["batch", *card.shape])
        graph = helper.make_graph(self.nodes, "preparation", [self.input], [result], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


def build_preparation(card: ImageInput, batch: int | str = "batch", kind: int = TensorProto.FLOAT) -> Preparation:
    """Build the card's resizing, crop, scaling and layout as in `runtime.preprocess`, in operator set 13 or newer.

    Args:
        card: the pre-processing that the network was trained with.
        batch: rows of the file, or the name of their number.
        kind: the element type that the network takes.
    """
    # not the card's own name: that one is the raw pictures' from here on
    operators = Operators(f"{card.name}/preparation")
    pixels = card.name
    free = card.resize is not None or card.crop is not None
    lengths: list[int | str] = ["picture_height", "picture_width"] if free else [*card.size]
    if free:
        pixels = _fitted(operators, pixels, card)
    if card.layout == "NCHW":
        pixels = operators("Transpose", pixels, perm=[0, 3, 1, 2])
    prepared = _normalized(operators, pixels, card)
    if kind != TensorProto.FLOAT:
        prepared = operators("Cast", prepared, to=kind)
    value = helper.make_tensor_value_info(card.name, TensorProto.UINT8, [batch, *lengths, card.channels])
    return Preparation(tuple(operators.nodes), tuple(operators.constants), value, prepared)


def _fitted(operators: Operators, pixels: str, card: ImageInput) -> str:
    """Resize and crop: (N, H, W, C) -> (N, *card.size, C)."""
    shape = operators("Shape", pixels)
    size = (operators("Gather", shape, np.array(1), axis=0), operators("Gather", shape, np.array(2), axis=0))
    if card.resize is not None:
        target = _target(operators, size, card.resize)
        pixels = resample(operators, pixels, size, target, card.filter)
        size = target
    if card.crop is not None:
        pixels = _cropped(operators, pixels, size, card.crop)
    elif isinstance(card.resize, int):
        # Refuses pictures that come out longer than the card says. The Reshape below would not: onnxruntime rewrites it, and
        # they would become other rows.
        pixels = operators("Expand", pixels, np.array([1, *card.size, 1]))
    # the lengths are known from here on
    rows = operators("Gather", shape, np.array([0]), axis=0)
    return operators("Reshape", pixels, operators("Concat", rows, np.array([*card.size, card.channels]), axis=0))


def _target(operators: Operators, size: Size, resize: tuple[int, int] | int) -> Size:
    """Size after resizing: fixed, or from the shorter side's length with the longer side rounded down."""
    if not isinstance(resize, int):
        return operators.constant(np.array(resize[0])), operators.constant(np.array(resize[1]))
    height, width = size
    shorter = operators("Where", operators("Less", height, width), height, width)
    new = [operators("Div", operators("Mul", length, np.array(resize)), shorter) for length in size]
    return new[0], new[1]


def _cropped(operators: Operators, pixels: str, size: Size, crop: tuple[int, int]) -> str:
    """Centre crop; pixels outside of a smaller picture are black."""
    before, after, start = [], [], []
    for length, wanted in zip(size, crop, strict=True):
        missing = operators("Sub", np.array(wanted), length)
        missing = operators("Where", operators("Greater", missing, np.array(0)), missing, np.array(0))
        ahead = operators("Div", missing, np.array(2))
        before.append(ahead)
        after.append(operators("Sub", missing, ahead))
        too_much = operators("Cast", operators("Sub", length, np.array(wanted)), to=TensorProto.FLOAT)
        # halves go to the even neighbour, as in Python
        middle = operators("Round", operators("Mul", too_much, np.float32(0.5)))
        middle = operators("Cast", middle, to=TensorProto.INT64)
        start.append(operators("Where", operators("Greater", middle, np.array(0)), middle, np.array(0)))
    none = np.array([0])
    border = [operators("Reshape", length, np.array([1])) for length in (*before, *after)]
    borders = operators("Concat", none, border[0], border[1], none, none, border[2], border[3], none, axis=0)
    padded = operators("Pad", pixels, borders, np.array(0, np.uint8))
    starts = operators("Concat", *(operators("Reshape", value, np.array([1])) for value in start), axis=0)
    ends = operators("Add", starts, np.array(crop))
    return operators("Slice", padded, starts, ends, np.array([1, 2]))


def _normalized(operators: Operators, pixels: str, card: ImageInput) -> str:
    """Normalise uint8 -> float32: one factor and one summand per channel, as `runtime.preprocess.normalize`."""
    shape = (-1, 1, 1) if card.layout == "NCHW" else (-1,)
    std, mean = np.array(card.std or (1.0,)), np.array(card.mean or (0.0,))
    factor = (card.scale / std).astype(np.float32).reshape(shape)
    values = operators("Mul", operators("Cast", pixels, to=TensorProto.FLOAT), factor)
    if not any(card.mean):
        return values
    return operators("Add", values, (-mean / std).astype(np.float32).reshape(shape))
