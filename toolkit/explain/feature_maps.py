"""Feature maps: every layer's output for one input, as pictures; for a table's row also as text."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import torch

from runtime.atomic import atomic_write
from runtime.errors import InputError
from toolkit.explain.diagram.boxes import diagram
from toolkit.explain.diagram.flow import trace_flow
from toolkit.explain.evaluation import as_input, evaluation, run
from toolkit.explain.feature_figures import layer_figure, total_figure
from toolkit.explain.figures import figure_bytes
from toolkit.explain.hooks import first_tensor, record
from toolkit.explain.layer_output import LayerOutput

__all__ = ["layer_outputs", "visual_feature"]

_MOST_LAYERS = 64  # with more than these, blocks are shown whole


def visual_feature(
    network: torch.nn.Module,
    inputs: torch.Tensor | np.ndarray,
    folder: str | os.PathLike[str],
    *,
    in1img: bool = False,
    most_channels: int = 64,
) -> list[Path]:
    """Write every layer's output for one input.

    Feature maps (C, H, W) become a grid of channels, sequences (L, D) a heat map, vectors bars or strips. All pictures of
    one layer share one scale of colours.

    Args:
        network: any module.
        inputs: (1, C, H, W), (1, F), (1, L) tokens or any other single input, as the network takes it.
        folder: output folder; created if missing. Files of the same names are replaced.
        in1img: one picture of all layers side by side, total.png, instead of one per layer.
        most_channels: maximum channels in a layer's own picture; its title states the total.

    Returns:
        Paths of the written files, in the order of the layers: pictures, and for one row of a table
        (float (1, F)) also layer_data.txt with every layer's values.

    Raises:
        InputError: the input is not a single one, or the network cannot take it.
    """
    layers = layer_outputs(network, inputs)
    target = Path(folder)
    written = []
    if in1img:
        title = f"Outputs of the {len(layers) - 1} layers for one input"
        written.append(target / "total.png")
        atomic_write(written[0], figure_bytes(total_figure(layers), title=title))
    else:
        for layer in layers:
            plain = re.sub(r"[^\w.-]+", "_", layer.name)
            path = target / f"{layer.number:02d}-{plain}.png"
            title = f"Output of layer {layer.number}, {layer.name}: {layer.description}"
            atomic_write(path, figure_bytes(layer_figure(layer, most_channels), title=title))
            written.append(path)
    if layers[0].values.ndim == 1 and layers[0].values.dtype.kind == "f":
        written.append(target / "layer_data.txt")
        atomic_write(written[-1], _text(layers))
    return written


def layer_outputs(network: torch.nn.Module, inputs: torch.Tensor | np.ndarray) -> list[LayerOutput]:
    """The input and the output of every layer for one input (1, ...), in the order of execution.

    Layers are the modules without modules inside. Of a network of more than 64, blocks are shown as in its diagram: see
    `toolkit.explain.diagram.boxes.diagram`. Dropout and identity, which change nothing in use, are left out.

    Raises:
        InputError: the input is not a single one, or the network cannot take it.
    """
    tensor = as_input(network, inputs)
    if tensor.shape[0] != 1 or tensor.ndim < 2:
        raise InputError(
            f"An input of shape {tuple(tensor.shape)} was given; a single one is expected: (1, C, H, W), (1, F), ... "
            f"For one row of a batch, give x[:1]."
        )
    modules = dict(network.named_modules())
    with evaluation(network), torch.no_grad(), record(network) as outputs:
        result = first_tensor(run(network, tensor))
        if not outputs and result is not None:  # the network is a single layer
            modules["network"], outputs["network"] = network, result
    layers = [LayerOutput(0, "input", "input", "as the network receives it", _values(tensor))]
    for name in _shown(network, tensor, list(outputs)):
        if not isinstance(modules[name], (torch.nn.modules.dropout._DropoutNd, torch.nn.Identity)):
            kind = type(modules[name]).__name__
            layers.append(LayerOutput(len(layers), name, kind, _description(modules[name]), _values(outputs[name])))
    return layers


def _shown(network: torch.nn.Module, tensor: torch.Tensor, names: list[str]) -> list[str]:
    """Modules to show, of those that ran: all leaf modules, or blocks where those are too many."""
    parents = {".".join(name.split(".")[:count]) for name in names for count in range(1, name.count(".") + 1)}
    leaves = [name for name in names if name not in parents]
    if len(leaves) <= _MOST_LAYERS:
        return leaves
    found = diagram(trace_flow(network, tensor.shape[1:], dtype=tensor.dtype), most=_MOST_LAYERS)
    wanted = {box.call.name for box in found.boxes}
    return [name for name in names if name in wanted]


def _values(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    tensor = tensor.float() if tensor.is_floating_point() else tensor.long()
    return (tensor[0] if tensor.ndim > 1 and tensor.shape[0] == 1 else tensor).numpy()


def _description(module: torch.nn.Module) -> str:
    if not list(module.children()):
        return " ".join(repr(module).split())
    return f"{type(module).__name__} of {sum(not list(part.children()) for part in module.modules())} layers"


def _text(layers: list[LayerOutput]) -> str:
    lines = []
    for layer in layers:
        shape = ", ".join(["N", *map(str, layer.values.shape)])
        lines.append(f"{layer.number} {layer.name}: {layer.description} -> ({shape})")
        lines.append(np.array2string(layer.values, threshold=1 << 30, max_line_width=1 << 30, separator=", "))
    return "\n".join(lines) + "\n"
