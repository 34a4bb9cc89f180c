"""Text of an operator's main arguments, and its operator family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx

__all__ = ["arguments_text", "operator_family"]

_FAMILIES = (  # part of an operator's name -> family; the first that fits
    ("ConvTranspose", "convolution"),
    ("Conv", "convolution"),
    ("Pool", "pooling"),
    ("ReduceMean", "pooling"),
    ("ReduceMax", "pooling"),
    ("Normalization", "normalization"),
    ("LRN", "normalization"),
    ("Gemm", "linear"),
    ("MatMul", "linear"),
    ("Einsum", "linear"),
    ("LSTM", "sequence"),
    ("GRU", "sequence"),
    ("RNN", "sequence"),
    ("Attention", "sequence"),
    ("Scan", "sequence"),
    ("Loop", "sequence"),
)
_ACTIVATIONS = ("Relu", "Sigmoid", "Tanh", "Softmax", "Gelu", "Elu", "Swish", "Mish", "Soft", "Clip", "Celu", "Selu")
_SHAPES = (
    *("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Pad", "Expand", "Tile", "Resize"),
    *("DepthToSpace", "SpaceToDepth", "Dropout"),
)


def operator_family(node: onnx.NodeProto, has_weights: bool) -> str:
    """Operator family: convolution, linear, pooling, normalization, activation, sequence, shape or function."""
    if node.op_type == "Gather":
        return "sequence" if has_weights else "shape"
    if node.op_type in _SHAPES:
        return "shape"
    for part, family in _FAMILIES:
        if part in node.op_type:
            return family
    return "activation" if any(part in node.op_type for part in _ACTIVATIONS) else "function"


def arguments_text(node: onnx.NodeProto, shapes: Mapping[str, Sequence[int]]) -> str:
    """Main arguments of a node as text, such as ``64 → 128, 3×3, stride 2``; "" without any."""
    values = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute if not entry.HasField("g")}
    weight = [int(length) for length in shapes.get(node.input[1], ())] if len(node.input) > 1 else []
    words: list[str] = []
    if node.op_type in ("Conv", "ConvTranspose") and len(weight) > 2:
        groups = values.get("group", 1)
        entering, leaving = (
            (weight[1] * groups, weight[0]) if node.op_type == "Conv" else (weight[0], weight[1] * groups)
        )
        words = [f"{entering} → {leaving}", _times(weight[2:]), *_window(values)]
        words += [f"groups {groups}"] if groups != 1 else []
    elif node.op_type == "Gemm" and len(weight) == 2:
        words = [f"{weight[1]} → {weight[0]}" if values.get("transB") else f"{weight[0]} → {weight[1]}"]
    elif node.op_type == "MatMul" and len(weight) == 2:
        words = [f"{weight[0]} → {weight[1]}"]
    elif node.op_type in ("LSTM", "GRU", "RNN"):
        words = [f"{weight[2]} → {values.get('hidden_size', '?')}"] if len(weight) == 3 else []
        words += ["both ways"] if values.get("direction") == b"bidirectional" else []
    elif "kernel_shape" in values:
        words = [_times(values["kernel_shape"]), *_window(values)]
    elif "axis" in values:
        words = [f"axis {values['axis']}"]
    elif "perm" in values:
        words = ["to " + ", ".join(map(str, values["perm"]))]
    elif "mode" in values:
        words = [_text(values["mode"])]
    return ", ".join(words)


def _window(values: Mapping[str, Any]) -> list[str]:
    """Texts of stride, padding and dilation where they are not the defaults."""
    found = []
    for name, word, usual in (("strides", "stride", 1), ("pads", "padding", 0), ("dilations", "dilation", 1)):
        given = list(values.get(name, ()))
        if given and set(given) != {usual}:
            found.append(f"{word} {given[0] if len(set(given)) == 1 else _times(given)}")
    return found


def _times(lengths: Sequence[int]) -> str:
    return "×".join(map(str, lengths))


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
