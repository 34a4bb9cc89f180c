"""Write the card into the file, and take out what the exporter left of the machine it ran on."""

from __future__ import annotations

from pathlib import Path

import onnx

from runtime.card import CARD_KEY, ImageInput, ModelCard

__all__ = ["image_metadata", "stamp"]


def stamp(path: Path, card: ModelCard, *, ir_version: int | None = None) -> None:
    """Rewrite the file at `path` with the card and ONNX's own image metadata.

    `ir_version` is taken where the file's operator sets allow it; else the file keeps its own.
    """
    model = onnx.load(path)
    _strip(model)
    model.producer_name = "onnx-edge-toolkit"
    model.producer_version = str(card.producer.get("onnx-edge-toolkit", ""))
    if ir_version is not None and ir_version >= onnx.helper.find_min_ir_version_for(model.opset_import):
        model.ir_version = ir_version
    onnx.helper.set_model_props(model, {CARD_KEY: card.to_json(), **image_metadata(card)})
    onnx.save(model, path)


def image_metadata(card: ModelCard) -> dict[str, str]:
    """ONNX's standard keys for a picture input (ONNX MetadataProps.md), as far as they can say what the card says."""
    pictures = [entry for entry in card.inputs if isinstance(entry, ImageInput)]
    if len(pictures) != 1:
        return {}
    picture = pictures[0]
    found = {
        "Image.BitmapPixelFormat": "Rgb8" if picture.color == "RGB" else "Gray8",
        "Image.ColorSpaceGamma": "SRGB",
    }
    means, deviations = set(picture.mean or (0.0,)), set(picture.std or (1.0,))
    if abs(picture.scale - 1 / 255) < 1e-9 and means == {0.0} and deviations == {1.0}:
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
    """The node and the graphs inside of it: branches and loops."""
    del node.metadata_props[:]
    node.doc_string = ""
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
            _strip_graph(graph)
