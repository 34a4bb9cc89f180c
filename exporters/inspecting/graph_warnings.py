"""Warnings about an ONNX file: properties that surprise whoever runs it, each with a remedy."""

from __future__ import annotations

import math
from pathlib import Path

import onnx

from exporters.inspecting.graph_facts import GraphFacts, every_node
from exporters.onnx_files.external_data import every_tensor
from runtime.errors import ModelFileError
from runtime.session.external_data import check_external_data

__all__ = ["graph_warnings"]

OLDEST_OPSET = 13  # per-channel quantisation, axes as inputs; converters and accelerators have dropped what is older
_LARGE_ELEMENTS = 2**28
_RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial")
_CONTRIB = ("com.microsoft", "com.ms.internal.nhwc", "com.microsoft.nchwc", "com.microsoft.experimental")
_KNOWN = ("", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview.training", *_CONTRIB)


def graph_warnings(model: onnx.ModelProto, facts: GraphFacts, path: Path, *, digest: bool = True) -> list[str]:
    """Warnings about a model, one sentence each; an empty list where there is nothing to warn of.

    Args:
        model: read from `path`, weights in further files not loaded.
        facts: of it.
        path: the file, beside which its further files are looked for.
        digest: read the external data whole and compare its digest with the model's.
    """
    found = [*_versions(facts), *_second_files(model, facts, path, digest)]
    domains = {node.domain for node in every_node(model)} - {"", "ai.onnx"}
    inside = {function.domain for function in model.functions}
    if any(domain in _CONTRIB for domain in domains):
        found.append(
            "it has operators of com.microsoft: onnxruntime alone runs it; --target of another runtime refuses it"
        )
    for domain in sorted(domains.difference(_KNOWN, inside)):
        found.append(f"it has operators of the domain {domain!r}, which a library of its own must bring")
    found += _training(model)
    found += _constants(model)
    doubles = facts.weights.get("float64", 0)
    if doubles > 1024:
        found.append(
            f"{doubles:,} bytes of weights are float64, which is slow and twice as large; train or export in float32"
        )
    return found


def _versions(facts: GraphFacts) -> list[str]:
    if facts.opset is None:
        return ["it imports no operator set of ONNX's own"] if not facts.opsets else []
    latest = onnx.defs.onnx_opset_version()
    if facts.opset < OLDEST_OPSET:
        return [
            f"opset {facts.opset} is old: some tools take {OLDEST_OPSET} and later only; export again with --opset {OLDEST_OPSET}"
        ]
    if facts.opset > latest:
        return [f"opset {facts.opset} is newer than the {latest} that the installed onnx package knows; update it"]
    return []


def _second_files(model: onnx.ModelProto, facts: GraphFacts, path: Path, digest: bool) -> list[str]:
    missing = [name for name in facts.external if not (path.parent / name).is_file()]
    if missing:
        return [f"weights are missing: {', '.join(missing)} should lie beside it; copy them together"]
    try:
        check_external_data(path, {entry.key: entry.value for entry in model.metadata_props}, digest=digest)
    except ModelFileError as error:
        return [str(error).rstrip(".")]
    return []


def _training(model: onnx.ModelProto) -> list[str]:
    """Warnings about training-mode operators, which make results random or dependent on the batch."""
    found, constants = [], _truths(model)
    names = [node.op_type for node in every_node(model)]
    if any(
        node.op_type == "Dropout" and len(node.input) > 2 and constants.get(node.input[2], False)
        for node in every_node(model)
    ):
        found.append("dropout is switched on: results are random; export in evaluation mode")
    for node in every_node(model):
        training = any(entry.name == "training_mode" and entry.i for entry in node.attribute)
        if node.op_type == "BatchNormalization" and training:
            found.append(
                "batch normalisation is in training mode: results depend on the batch; export in evaluation mode"
            )
            break
    chance = sorted({name for name in names if name in _RANDOM})
    if chance:
        found.append(f"{', '.join(chance)} make results random")
    return found


def _truths(model: onnx.ModelProto) -> dict[str, bool]:
    """Single bool constants by name."""
    found = {}
    tensors = [(tensor.name, tensor) for tensor in model.graph.initializer]
    tensors += [
        (node.output[0], node.attribute[0].t)
        for node in every_node(model)
        if node.op_type == "Constant" and node.output and node.attribute and node.attribute[0].HasField("t")
    ]
    for name, tensor in tensors:
        if tensor.data_type == onnx.TensorProto.BOOL and math.prod(tensor.dims) == 1 and not tensor.external_data:
            found[name] = bool(any(tensor.raw_data) or any(tensor.int32_data))
    return found


def _constants(model: onnx.ModelProto) -> list[str]:
    """Warnings about constants that expand to a large size in memory, and large constants without data."""
    found = []
    shapes = {
        tensor.name: tensor
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.INT64 and len(tensor.dims) == 1 and tensor.dims[0] <= 16
    }
    for node in every_node(model):
        if node.op_type == "Constant" and node.output and node.attribute and node.attribute[0].HasField("t"):
            tensor = node.attribute[0].t
            if tensor.data_type == onnx.TensorProto.INT64 and len(tensor.dims) == 1 and tensor.dims[0] <= 16:
                shapes[node.output[0]] = tensor
    for node in every_node(model):
        if node.op_type in ("ConstantOfShape", "Expand", "Tile") and node.input and node.input[-1] in shapes:
            try:
                lengths = onnx.numpy_helper.to_array(shapes[node.input[-1]]).tolist()
            except (ValueError, TypeError, RuntimeError):
                continue
            size = math.prod(lengths)
            if size > _LARGE_ELEMENTS:
                found.append(f"{node.op_type} makes {size:,} numbers of a few bytes: opening it may take all memory")
    scalars = [
        tensor for tensor in every_tensor(model) if math.prod(tensor.dims) > _LARGE_ELEMENTS and not _data(tensor)
    ]
    found += [
        f"the constant {tensor.name!r} says {math.prod(tensor.dims):,} numbers and holds none" for tensor in scalars
    ]
    return found


def _data(tensor: onnx.TensorProto) -> bool:
    fields = (tensor.raw_data, tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data)
    return bool(tensor.external_data) or any(map(len, fields))
