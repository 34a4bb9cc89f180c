"""Naming in the traced file: outputs as in the card, dynamic axes as requested."""

from __future__ import annotations

import re
from pathlib import Path

import onnx

from exporters.subject.subject import Subject

__all__ = ["PLACEHOLDER", "name_axes_and_outputs", "name_in"]

PLACEHOLDER = "toolkit output "
"""Stands before the outputs' names while torch writes the file: it calls values after its operators, `embedding` among them."""


def name_axes_and_outputs(path: Path, subject: Subject) -> None:
    """Rename outputs and dynamic axes of a file in place. External data stay where they are."""
    model = onnx.load(path, load_external_data=False)
    name_in(model, subject)
    onnx.save(model, path)


def name_in(model: onnx.ModelProto, subject: Subject) -> None:
    """Rename outputs and dynamic axes of a model that is not yet written."""
    names = subject.output_names
    taken = {name: f"{name}_inside" for name in names}
    final = {PLACEHOLDER + name: name for name in names}
    _rename(model.graph, {**taken, **final})
    _name_axes(model.graph, subject)


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                _rename(inner, names)


def _name_axes(graph: onnx.GraphProto, subject: Subject) -> None:
    """Rename torch's symbolic lengths (s25, 2*s16); other expressions keep their form, with the names in it."""
    names: dict[str, str] = {}
    for value, axes in zip(graph.input, subject.axes, strict=False):
        for axis, name in axes.items():
            dim = value.type.tensor_type.shape.dim[axis]
            given = dim.dim_param
            if given and given != name:
                names[given] = name
                factor, _, symbol = given.partition("*")
                if symbol.isidentifier() and factor.isdecimal():
                    names[symbol] = f"{name}/{factor}"
    symbols = {given: name for given, name in names.items() if given.isidentifier()}
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, symbols)) + r")\b") if symbols else None
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            given = dim.dim_param
            if given in names:
                dim.dim_param = names[given]
            elif given and pattern is not None:
                dim.dim_param = pattern.sub(lambda found: symbols[found[1]], given)
