"""Networks for `toolkit train`: by name, from a JSON file, or as a list of layers."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime.errors import SpecError, suggest
from runtime.regular_file import require_file
from toolkit.builder.layers import LAYERS
from toolkit.builder.spec import LayerSpec, NetworkSpec
from toolkit.tasks.registry import find_task

__all__ = ["network_layers", "network_names"]

_OF_LAYER = ("layer", "activation", "init")
# Argument of a whole network for its number of outputs.
_OUTPUTS = ("num_classes", "out_features")


def network_names() -> list[str]:
    """Names of the layers that are whole networks: those with an argument for the number of outputs."""
    return sorted(name for name, entry in LAYERS.items() if _outputs_parameter(name) and "size" not in entry.parameters)


def network_layers(
    name: str | os.PathLike[str] | None,
    layers: Sequence[Mapping[str, Any]],
    outputs: int,
    task: str,
) -> tuple[LayerSpec, ...]:
    """The layers of a named network, of a JSON file with the key ``layers``, or of `layers`; both have one form.

    Args:
        name: a network's name, or a path ending in .json; None where `layers` are given.
        layers: as `add()` takes them: {"layer": ..., "activation": ..., "init": ..., and the layer's arguments,
            here or below ``arguments``}.
        outputs: number of classes or targets.
        task: a named network for classification ends in softmax, one for several labels in sigmoid.

    Raises:
        SpecError: the name is unknown, both are given, or the file or a layer is malformed.
    """
    if name is not None and layers:
        raise SpecError("model.name and model.layers were both given. Leave one of them out.")
    if name is None:
        return tuple(_layer(entry, position) for position, entry in enumerate(layers, start=1))
    if str(name).endswith(".json"):
        return _read(Path(name))
    key = str(name).lower()
    parameter = _outputs_parameter(key) if key in network_names() else None
    if parameter is None:
        raise SpecError(
            f"There is no network {str(name)!r}.{suggest(str(name), network_names())} A .json file may be given too."
        )
    return (LayerSpec.parse(key, {parameter: outputs}, find_task(task).activation, 1),)


def _outputs_parameter(name: str) -> str | None:
    parameters = LAYERS[name].parameters
    return next((parameter for parameter in _OUTPUTS if parameter in parameters), None)


def _nested(value: Any) -> Any:
    """A network's description with the arguments of each layer below ``arguments``, wherever they were."""
    if not isinstance(value, dict):
        return value
    layers = value.get("layers")
    if isinstance(layers, list) and all(isinstance(entry, dict) for entry in layers):
        layers = [
            {**{name: entry[name] for name in _OF_LAYER if name in entry}, "arguments": _arguments(entry, position)}
            for position, entry in enumerate(layers, start=1)
        ]
    return {"input_shape": None, **value, "layers": layers}


def _arguments(entry: Mapping[str, Any], position: int) -> dict[str, Any]:
    """A layer's arguments, which stand beside its name or below ``arguments``. Raises SpecError where one is given in both places."""
    beside = {name: value for name, value in entry.items() if name not in (*_OF_LAYER, "arguments")}
    below = entry.get("arguments", {})
    if not isinstance(below, Mapping):
        raise SpecError(f"layer {position}: the arguments are {below!r}; a mapping from names to values is expected.")
    both = next((name for name in beside if name in below), None)
    if both is not None:
        raise SpecError(
            f"layer {position}: {both} is given twice, beside the layer's name and below arguments. Leave one out."
        )
    return {**below, **beside}


def _layer(entry: Mapping[str, Any], position: int) -> LayerSpec:
    layer, activation, init = map(entry.get, _OF_LAYER)
    return LayerSpec.parse(layer, _arguments(entry, position), activation, position, init)


def _read(path: Path) -> tuple[LayerSpec, ...]:
    require_file(path, SpecError)
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise SpecError(f"{path} cannot be read as a network's description: {error}.") from error
    try:
        layers = NetworkSpec.from_dict(_nested(value)).layers
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error
    if not layers:
        raise SpecError(f"{path} has no layers; at least one is expected.")
    return layers
