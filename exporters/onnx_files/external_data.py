"""External data: weights of a model above 2 GB, the limit of one protobuf message, go into a second file.

ONNX's own external data (onnx/docs/ExternalData.md): each large tensor says in which file, at which offset, it lies. The
second file is called after the model, `model.onnx.data`, and lies beside it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx

from exporters.onnx_files.staging import external_data_path

__all__ = [
    "SIZE_LIMIT_BYTES",
    "copy_model",
    "every_tensor",
    "external_names",
    "inside_bytes",
    "is_external",
    "model_bytes",
    "save_model",
]

SIZE_LIMIT_BYTES = 2**31 - 1 - 2**24
"""What the weights inside of one file may take: a protobuf message's limit, less 16 MiB for the graph and the card."""


def save_model(model: onnx.ModelProto, path: Path) -> None:
    """Write a model, with its weights in a second file where they are too large for one. Whatever lies there is replaced.

    Tensors that are in a second file already stay there: it must lie beside `path`. A model whose weights were put into a
    second file refers to them afterwards, and holds them no longer.
    """
    data = external_data_path(path)
    if inside_bytes(model) > SIZE_LIMIT_BYTES:
        if any(is_external(tensor) for tensor in every_tensor(model)):
            raise ValueError("some tensors are in a second file already: load them before the model is saved")
        data.unlink(missing_ok=True)
        onnx.save(model, path, save_as_external_data=True, location=data.name, convert_attribute=True)
        return
    onnx.save(model, path)
    if data.name not in external_names(model):
        data.unlink(missing_ok=True)


def copy_model(path: Path, target: Path) -> None:
    """Copy a model, and its second file where it has one, under another name. The folder must exist."""
    model = onnx.load(path, load_external_data=False)
    names = external_names(model)
    if not names:
        shutil.copyfile(path, target)
        return
    if names != {external_data_path(path).name}:
        for name in names:  # from elsewhere: several files, which keep their names
            shutil.copyfile(path.parent / name, target.parent / name)
        shutil.copyfile(path, target)
        return
    data = external_data_path(target)
    shutil.copyfile(external_data_path(path), data)
    for tensor in filter(is_external, every_tensor(model)):
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = data.name
    rename_told_data(model, data.name)
    onnx.save(model, target)


def rename_told_data(model: onnx.ModelProto, name: str) -> None:
    """Rename the second file in the metadata that the runtime checks."""
    from dataclasses import replace

    from runtime.session.external_data import EXTERNAL_DATA_KEY, told_external_data

    told = told_external_data({entry.key: entry.value for entry in model.metadata_props})
    for entry in model.metadata_props:
        if entry.key == EXTERNAL_DATA_KEY and told is not None:
            entry.value = replace(told, name=name).to_json()


def is_external(tensor: onnx.TensorProto) -> bool:
    """Test that a tensor's data lie in another file."""
    return tensor.data_location == onnx.TensorProto.EXTERNAL


def external_names(model: onnx.ModelProto) -> set[str]:
    """Names of the external data files of a model."""
    return {
        entry.value
        for tensor in every_tensor(model)
        if is_external(tensor)
        for entry in tensor.external_data
        if entry.key == "location"
    }


def inside_bytes(model: onnx.ModelProto) -> int:
    """Bytes of the tensors in the file itself, summed one by one: messages above 2 GB cannot report their size."""
    return sum(tensor.ByteSize() for tensor in every_tensor(model))


def model_bytes(path: Path) -> int:
    """Bytes of a model on the disk, its second file included."""
    size, data = path.stat().st_size, external_data_path(path)
    return size + (data.stat().st_size if data.is_file() else 0)


def every_tensor(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Iterate over all tensors of a model: initialisers and attributes, in branches, loops and functions too."""
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        yield from _node_tensors(function.node)


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for graph in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                yield from _graph_tensors(graph)
