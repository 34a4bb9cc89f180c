"""Stamping: write the card into the file, and remove traces of the machine that exported it."""

from __future__ import annotations

from pathlib import Path

import onnx

from exporters.onnx_files.external_data import external_names, save_model
from runtime.card import CARD_KEY, ImageInput, ModelCard
from runtime.session.external_data import EXTERNAL_DATA_KEY, describe_external_data

__all__ = ["image_metadata", "stamp"]


def stamp(path: Path, card: ModelCard) -> None:
    """Rewrite the file at `path` with the card and ONNX's own image metadata."""
    model = onnx.load(path, load_external_data=False)
    _strip(model)
    model.producer_name = "onnx-edge-toolkit"
    model.producer_version = str(card.producer.get("onnx-edge-toolkit", ""))
    onnx.helper.set_model_props(
        model, {CARD_KEY: card.to_json(), **image_metadata(card), **_second_file(path, external_names(model))}
    )
    save_model(model, path)


def _second_file(path: Path, names: set[str]) -> dict[str, str]:
    """Metadata entry with the second file's name, size and digest, to detect a wrong file; {} without one."""
    name = next(iter(names), None)
    return {} if name is None else {EXTERNAL_DATA_KEY: describe_external_data(path.parent / name).to_json()}


def image_metadata(card: ModelCard) -> dict[str, str]:
    """ONNX's standard metadata for a picture input (MetadataProps.md), as far as it can express the card."""
    pictures = [entry for entry in card.inputs if isinstance(entry, ImageInput)]
    if len(pictures) != 1:
        return {}
    picture = pictures[0]
    found = {
        "Image.BitmapPixelFormat": "Rgb8" if picture.color == "RGB" else "Gray8",
        "Image.ColorSpaceGamma": "SRGB",
    }
    means, deviations = set(picture.mean or (0.0,)), set(picture.std or (1.0,))
    if picture.prepared_in_graph:
        found["Image.NominalPixelRange"] = "NominalRange_0_255"
    elif abs(picture.scale - 1 / 255) < 1e-9 and means == {0.0} and deviations == {1.0}:
        found["Image.NominalPixelRange"] = "Normalized_0_1"
    elif abs(picture.scale - 1 / 255) < 1e-9 and means == {0.5} and deviations == {0.5}:
        found["Image.NominalPixelRange"] = "Normalized_1_1"
    elif picture.scale == 1 and means == {0.0} and deviations == {1.0}:
        found["Image.NominalPixelRange"] = "NominalRange_0_255"
    return found


def _strip(model: onnx.ModelProto) -> None:
    """Remove traces of the Python source (stack traces, module paths), which hold file names of one machine."""
    model.doc_string = ""
    _strip_graph(model.graph)
    for function in model.functions:
        del function.metadata_props[:]
        function.doc_string = ""
        for node in function.node:
            _strip_node(node)


def _strip_graph(graph: onnx.GraphProto) -> None:
    for entry in (graph, *graph.input, *graph.output, *graph.initializer, *graph.value_info):
        del entry.metadata_props[:]
        entry.doc_string = ""
    for node in graph.node:
        _strip_node(node)


def _strip_node(node: onnx.NodeProto) -> None:
    """Strip a node and its subgraphs (branches and loops)."""
    del node.metadata_props[:]
    node.doc_string = ""
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
            _strip_graph(graph)
