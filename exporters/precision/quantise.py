"""8-bit quantisation: static, with calibrated activation ranges, and dynamic, with ranges found at every run.

Static files are in QDQ form (QuantizeLinear and DequantizeLinear around float operators, which a runtime fuses): unsigned
8-bit activations and signed, symmetric 8-bit weights, one scale per output channel. That is what CPUs with VNNI run fastest.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import onnx

from exporters.isolation.quiet import quiet
from exporters.onnx_files.external_data import save_model
from exporters.precision.blocks import COMPUTING, ending_nodes
from exporters.precision.global_pools import name_global_pools
from exporters.precision.half import named_nodes

__all__ = ["write_dynamic", "write_static"]

# Left in float: they are cheap, and their results need more than 256 levels.
_FLOAT_OPERATORS = frozenset({"Softmax", "LayerNormalization", "InstanceNormalization", "BatchNormalization", "CumSum"})
# Operators that pass numbers on, or whose result is quantised again by the next one in any case.
_PASSING = (
    "Relu", "Clip", "MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Pad", "Slice", "Gather",
)  # fmt: skip


def write_static(
    path: Path, output: Path, ranges: Path, *, keep_float: Collection[str] = (), computing_only: bool = False
) -> None:
    """Write the file at `path` in 8-bit QDQ form to `output`.

    Args:
        path: the float32 file.
        output: the file to write.
        ranges: the file that `find_ranges` wrote.
        keep_float: names of nodes that stay in float, as `named_nodes` gives them.
        computing_only: quantise the inputs of convolutions and matrix products; leave sums, products and activations
            between them in float.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    model = onnx.load(path)
    named_nodes(model)
    name_global_pools(model)
    types = {*COMPUTING, *_PASSING} if computing_only else {*QDQRegistry, *QLinearOpsRegistry}
    with quiet():
        quantize_static(
            model,
            output,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=sorted(types - _FLOAT_OPERATORS),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=sorted({*keep_float, *ending_nodes(model.graph)}),
            calibrate_method=_method(ranges),
            calibration_cache_path=ranges,
            extra_options={
                # the sums of a matrix product are 32 bits wide; nothing asks for 8 before the next one takes them in
                "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"],
            },
        )
    _share_equal_constants(output)


def write_dynamic(path: Path, output: Path) -> str:
    """Write the file at `path` with 8-bit weights, activations quantised at every run; returns a description.

    Convolutions stay in float unless most of the weights are theirs: onnxruntime's dynamic convolution is slow.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(path)
    named_nodes(model)
    sizes = {tensor.name: tensor.ByteSize() for tensor in model.graph.initializer}
    kinds: dict[str, int] = {}
    for node in model.graph.node:
        kinds[node.op_type] = kinds.get(node.op_type, 0) + sum(sizes.get(name, 0) for name in node.input)
    types = ["MatMul", "Gemm", "LSTM", "Attention"]
    if kinds.get("Conv", 0) > sum(kinds.get(kind, 0) for kind in types):
        types.append("Conv")
    # shapes of weights that are transposed on the way would contradict what they become
    del model.graph.value_info[:]
    with quiet():
        quantize_dynamic(model, output, op_types_to_quantize=types, weight_type=QuantType.QInt8)
    return "weights of " + ", ".join(sorted({node.op_type for node in model.graph.node} & set(types)))


def _share_equal_constants(path: Path) -> None:
    """Deduplicate equal constants (n,), such as the zero points of all layers with as many channels."""
    model = onnx.load(path)
    first: dict[tuple[int, bytes], str] = {}
    renamed: dict[str, str] = {}
    for tensor in list(model.graph.initializer):
        if len(tensor.dims) > 1:
            continue
        key = (tensor.data_type, bytes(str(list(tensor.dims)), "ascii") + onnx.numpy_helper.to_array(tensor).tobytes())
        kept = first.setdefault(key, tensor.name)
        if kept != tensor.name:
            renamed[tensor.name] = kept
            model.graph.initializer.remove(tensor)
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = renamed.get(name, name)
    save_model(model, path)


def _method(ranges: Path) -> object:
    from onnxruntime.quantization import load_tensors_data

    return load_tensors_data(ranges).calibration_method
