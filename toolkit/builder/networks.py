"""Networks that `toolkit train --model NAME` knows, and descriptions in JSON files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.errors import SpecError, suggest
from toolkit.builder.spec import LayerSpec, NetworkSpec
from toolkit.data.dataset import Task

__all__ = ["NETWORKS", "network_layers"]

# name -> (number of outputs -> layers as add() takes them)
NETWORKS: dict[str, Callable[[int], list[tuple[str, dict[str, Any]]]]] = {
    "lenet": lambda outputs: [("lenet", {"num_classes": outputs})],
    "mlp": lambda outputs: [("mlp", {"out_features": outputs})],
}


def network_layers(model: str | os.PathLike[str], outputs: int, task: Task) -> tuple[LayerSpec, ...]:
    """The layers of a named network, or of a JSON file with the key ``layers``.

    Args:
        model: a name, or a path ending in .json.
        outputs: number of classes or targets.
        task: a named network for classification ends in softmax.

    Raises:
        SpecError: the name is unknown, or the file is missing or malformed.
    """
    if str(model).endswith(".json"):
        path = Path(model)
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise SpecError(f"{path} cannot be read as a network's description: {error}.") from error
        return NetworkSpec.from_dict({"input_shape": None, **value} if isinstance(value, dict) else value).layers
    known = NETWORKS.get(str(model).lower())
    if known is None:
        raise SpecError(
            f"There is no network {str(model)!r}.{suggest(str(model), NETWORKS)} A .json file may be given too."
        )
    layers = known(outputs)
    last = len(layers)
    softmax = "softmax" if task == "classification" else None
    return tuple(
        LayerSpec.parse(name, arguments, softmax if position == last else None, position)
        for position, (name, arguments) in enumerate(layers, start=1)
    )
