"""Pillow's resampling as ONNX operators, from operator set 13 on.

Pillow filters one axis after the other, with weights that a filter gives at each pixel's distance from the centre of the new pixel,
rounded to 22 bits, and rounds to whole grey levels after each of the two passes (`libImaging/Resample.c`). Here the graph computes
the same weights from the sizes of what it is given, and multiplies in whole numbers, so that the pictures are the same but for a
weight whose last bit falls otherwise once in a million pixels. "nearest" takes pixels by their index.

ONNX's own `Resize` with `antialias` is not used: it computes distances in float32, and is up to two levels off in noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto
from PIL import __version__ as pillow_version

from exporters.pre_post_processing.operators import Operators

__all__ = ["Size", "resample"]

# (height, width), each the name of a single int64
Size = tuple[str, str]

# Of the filters: how far they reach where nothing is made smaller.
_SUPPORT = {"box": 0.5, "bilinear": 1.0, "hamming": 1.0, "bicubic": 2.0, "lanczos": 3.0}
# What a weight of 1 is in Pillow's whole numbers.
_ONE = 2**22
_BASE = 256
_ZERO = np.uint8(128)
# New pixels that are computed from one window of old ones: fewer have smaller windows, more of them overlap.
_BLOCK = 16


def resample(operators: Operators, pixels: str, size: Size, target: Size, filter_name: str) -> str:
    """Resize pictures as Pillow does: uint8 (N, H, W, C) -> uint8 (N, height, width, C).

    Args:
        operators: the builder that the nodes are added to.
        pixels: the pictures.
        size: H and W.
        target: the new height and width.
        filter_name: one of `runtime.card.ImageInput.filter`.
    """
    if filter_name == "nearest":
        rows = operators("Gather", pixels, _nearest(operators, size[0], target[0]), axis=1)
        return operators("Gather", rows, _nearest(operators, size[1], target[1]), axis=2)
    passes = _Passes(operators, size, target, filter_name)

    def horizontal_first() -> str:
        return passes.vertical(passes.horizontal(pixels))

    def vertical_first() -> str:
        return passes.horizontal(passes.vertical(pixels))

    if int(pillow_version.partition(".")[0]) < 13:
        return horizontal_first()
    return operators.either(
        _begins_vertical(operators, size, target), vertical_first, horizontal_first, TensorProto.UINT8
    )


def _begins_vertical(operators: Operators, size: Size, target: Size) -> str:
    """Bool value: vertical pass first, as Pillow >= 13 does where the height shrinks by more than twice as much as the width."""
    lost = [operators("Sub", length, new) for length, new in zip(size, target, strict=True)]
    more = operators("Greater", lost[0], operators("Mul", lost[1], np.array(2)))
    return operators("And", more, operators("Greater", lost[0], np.array(0)))


def _nearest(operators: Operators, length: str, target: str) -> str:
    """Source pixel index of each new pixel under "nearest": int64 (target,).

    Pillow adds up steps rather than multiplying, which decides where a centre falls on the edge between two pixels.
    """
    step = operators("Div", _double(operators, length), _double(operators, target))
    later = operators("Expand", step, _vector(operators, operators("Sub", target, np.array(1))))
    steps = operators("Concat", _vector(operators, operators("Mul", step, np.array(0.5))), later, axis=0)
    return operators("Cast", operators("CumSum", steps, np.array(0)), to=TensorProto.INT64)


@dataclass(frozen=True)
class _Windows:
    """Filter weights of one axis: its new pixels in blocks, each of which reads one window of old pixels.

    Attributes:
        positions: int64 (blocks, window), the old pixels of each window.
        digits: uint8 (blocks, _BLOCK, window), the weights in digits, most significant first.
        target: the number of new pixels, (1,); the last block may hold surplus ones.
    """

    positions: str
    digits: tuple[str, ...]
    target: str


class _Passes:
    """The horizontal and the vertical pass over pictures (N, H, W, C)."""

    def __init__(self, operators: Operators, size: Size, target: Size, filter_name: str) -> None:
        self.operators = operators
        self.rows, self.columns = (
            _windows(operators, *lengths, filter_name) for lengths in zip(size, target, strict=True)
        )

    def horizontal(self, pixels: str) -> str:
        """Horizontal pass: (N, H, W, C) -> (N, H, width, C)."""
        filtered = self._filter(self.operators("Transpose", pixels, perm=[0, 2, 1, 3]), self.columns)
        return self.operators("Transpose", filtered, perm=[0, 2, 1, 3])

    def vertical(self, pixels: str) -> str:
        """Vertical pass: (N, H, W, C) -> (N, height, W, C)."""
        return self._filter(pixels, self.rows)

    def _filter(self, pixels: str, windows: _Windows) -> str:
        """Filter axis 1: uint8 (N, length, a, b) -> uint8 (N, target, a, b), rounded and clipped."""
        operators = self.operators
        shape = operators("Shape", pixels)
        first = operators("Slice", shape, np.array([0]), np.array([1]))
        line = operators("Slice", shape, np.array([2]), np.array([4]))
        lines = operators("Reshape", pixels, np.array([0, 0, -1]))
        seen = operators("Gather", lines, windows.positions, axis=1)  # (N, blocks, window, ab)
        total = operators("MatMulInteger", windows.digits[0], seen, _ZERO)  # int32 (N, blocks, _BLOCK, ab)
        for digit in windows.digits[1:]:
            total = operators("Mul", total, np.array(_BASE, np.int32))
            total = operators("Add", total, operators("MatMulInteger", digit, seen, _ZERO))
        total = operators("Add", total, np.array(_ONE // 2, np.int32))
        # Division goes towards 0 where Pillow shifts downwards; negative levels become 0 either way.
        levels = operators("Div", total, np.array(_ONE, np.int32))
        levels = operators("Clip", operators("Cast", levels, to=TensorProto.FLOAT), np.float32(0), np.float32(255))
        levels = operators("Cast", levels, to=TensorProto.UINT8)
        levels = operators("Reshape", levels, operators("Concat", first, np.array([-1]), line, axis=0))
        return operators("Slice", levels, np.array([0]), windows.target, np.array([1]))


def _windows(operators: Operators, length: str, target: str, filter_name: str) -> _Windows:
    """Filter weights of one axis, from its old and its new length.

    A new pixel looks only at old ones near it. All at once would be a matrix of (length, target), which is nearly all zeros.
    """
    whole = _double(operators, length)
    scale = operators("Div", whole, _double(operators, target))
    stretch = operators("Max", scale, np.array(1.0))
    reach = operators("Mul", stretch, np.array(_SUPPORT[filter_name]))
    half = np.array(0.5)

    blocks = operators("Div", operators("Add", target, np.array(_BLOCK - 1)), np.array(_BLOCK))
    firsts = operators("Mul", _count(operators, blocks), np.array(float(_BLOCK)))
    begins = operators("Sub", operators("Mul", operators("Add", firsts, half), scale), reach)
    begins = operators("Max", _truncated(operators, operators("Add", begins, half)), np.array(0.0))  # (blocks,)
    width = operators("Add", operators("Mul", scale, np.array(float(_BLOCK - 1))), operators("Add", reach, reach))
    window = operators("Add", operators("Cast", width, to=TensorProto.INT64), np.array(2))
    begins = operators("Unsqueeze", begins, np.array([1]))
    positions = operators("Add", begins, _count(operators, window))  # (blocks, window)

    places = _count(operators, operators("Mul", blocks, np.array(_BLOCK)))
    # those beyond the end repeat the last one, and are cut off afterwards
    places = operators("Min", places, _double(operators, operators("Sub", target, np.array(1))))
    centre = operators("Mul", operators("Add", places, half), scale)
    centre = operators("Reshape", centre, np.array([-1, _BLOCK, 1]))
    first = _truncated(operators, operators("Add", operators("Sub", centre, reach), half))
    end = _truncated(operators, operators("Add", operators("Add", centre, reach), half))
    end = operators("Min", end, whole)
    pixels = operators("Unsqueeze", positions, np.array([1]))  # (blocks, 1, window)
    inside = operators("And", operators("Not", operators("Less", pixels, first)), operators("Less", pixels, end))
    distance = operators("Add", operators("Sub", pixels, centre), half)
    values = _FILTERS[filter_name](operators, operators("Div", distance, stretch))  # (blocks, _BLOCK, window)
    values = operators("Mul", values, _double(operators, inside))
    values = operators("Div", values, operators("ReduceSum", values, np.array([2]), keepdims=1))
    values = operators("Mul", values, np.array(float(_ONE)))
    away = operators("Sub", half, _double(operators, operators("Less", values, np.array(0.0))))
    weights = operators("Cast", operators("Add", values, away), to=TensorProto.INT64)
    last = operators("Sub", whole, np.array(1.0))
    return _Windows(
        operators("Cast", operators("Min", positions, last), to=TensorProto.INT64),
        _digits(operators, weights),
        _vector(operators, target),
    )


def _digits(operators: Operators, weights: str) -> tuple[str, ...]:
    """Whole numbers -> digits from -128 to 127 of the same shape, most significant first, as uint8 above `_ZERO`.

    Three of them hold every weight. Products of uint8 with uint8 are exact on every processor; of int8 with uint8 some overflow.
    """
    digits, rest = [], weights
    for _ in range(2):
        # above 0, where division goes downwards
        higher = operators("Div", operators("Add", rest, np.array(_BASE // 2 + _BASE * _ONE)), np.array(_BASE))
        higher = operators("Sub", higher, np.array(_ONE))
        digits.append(operators("Sub", rest, operators("Mul", higher, np.array(_BASE))))
        rest = higher
    above = [operators("Add", digit, np.array(int(_ZERO))) for digit in (rest, *reversed(digits))]
    return tuple(operators("Cast", digit, to=TensorProto.UINT8) for digit in above)


def _truncated(operators: Operators, values: str) -> str:
    """Truncate float64 towards zero, as in C. By way of int64: older runtimes have no Floor of float64."""
    return _double(operators, operators("Cast", values, to=TensorProto.INT64))


def _box(operators: Operators, x: str) -> str:
    """1 where -0.5 < x <= 0.5."""
    beyond = operators("Not", operators("Greater", x, np.array(0.5)))
    return _double(operators, operators("And", operators("Greater", x, np.array(-0.5)), beyond))


def _bilinear(operators: Operators, x: str) -> str:
    """1 - |x|, no less than 0."""
    return operators("Max", operators("Sub", np.array(1.0), operators("Abs", x)), np.array(0.0))


def _hamming(operators: Operators, x: str) -> str:
    """sinc(x) (0.54 + 0.46 cos(pi x)) where |x| < 1."""
    # as the sine of another angle: older runtimes have no cosine of float64
    angle = operators("Add", operators("Mul", x, np.array(math.pi)), np.array(math.pi / 2))
    window = operators("Add", operators("Mul", operators("Sin", angle), np.array(0.46)), np.array(0.54))
    return operators("Mul", operators("Mul", _sinc(operators, x), window), _below(operators, x, 1.0))


def _bicubic(operators: Operators, x: str) -> str:
    """Keys' cubic convolution with a = -0.5: IEEE Transactions on Acoustics, Speech and Signal Processing 29 (1981)."""
    x = operators("Abs", x)
    near = operators("Sub", operators("Mul", x, np.array(1.5)), np.array(2.5))
    near = operators("Add", operators("Mul", operators("Mul", near, x), x), np.array(1.0))
    far = operators("Add", operators("Mul", operators("Sub", x, np.array(5.0)), x), np.array(8.0))
    far = operators("Mul", operators("Sub", operators("Mul", far, x), np.array(4.0)), np.array(-0.5))
    inner, outer = _below(operators, x, 1.0), _below(operators, x, 2.0)
    between = operators("Sub", outer, inner)
    return operators("Add", operators("Mul", near, inner), operators("Mul", far, between))


def _lanczos(operators: Operators, x: str) -> str:
    """sinc(x) sinc(x / 3) where |x| < 3."""
    value = operators("Mul", _sinc(operators, x), _sinc(operators, operators("Div", x, np.array(3.0))))
    return operators("Mul", value, _below(operators, x, 3.0))


def _sinc(operators: Operators, x: str) -> str:
    """sin(pi x) / (pi x), and 1 at 0."""
    angle = operators("Mul", x, np.array(math.pi))
    at_zero = _double(operators, operators("Equal", angle, np.array(0.0)))
    ratio = operators("Div", operators("Sin", angle), operators("Add", angle, at_zero))
    return operators("Add", ratio, at_zero)


def _below(operators: Operators, x: str, limit: float) -> str:
    """1 where |x| is below a limit, else 0: a factor in place of Where, which older runtimes lack for float64."""
    return _double(operators, operators("Less", operators("Abs", x), np.array(limit)))


_FILTERS: dict[str, Callable[[Operators, str], str]] = {
    "box": _box,
    "bilinear": _bilinear,
    "hamming": _hamming,
    "bicubic": _bicubic,
    "lanczos": _lanczos,
}


def _count(operators: Operators, length: str) -> str:
    """Range 0, 1, ... length - 1 in float64."""
    return _double(operators, operators("Range", np.array(0), length, np.array(1)))


def _double(operators: Operators, value: str) -> str:
    return operators("Cast", value, to=TensorProto.DOUBLE)


def _vector(operators: Operators, value: str) -> str:
    """Reshape a scalar to (1,)."""
    return operators("Reshape", value, np.array([1]))
