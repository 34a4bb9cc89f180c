"""The torch modules of one layer, made and named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch

from runtime.errors import SpecError
from toolkit.builder.activations import activation_name, make_activation
from toolkit.builder.layer_spec import OWN, LayerSpec, batch_shape
from toolkit.builder.layers.registry import find_layer
from toolkit.builder.own_modules import make_module
from toolkit.builder.trial_input import ShapeUnknown

__all__ = ["flattens", "layer_modules", "refusals"]


def layer_modules(entry: LayerSpec, position: int, shape: Sequence[int | None]) -> list[tuple[str, torch.nn.Module]]:
    """Fresh modules of a complete entry with their names in the network, on torch's default device.

    Raises:
        SpecError: the layer refuses its arguments.
    """
    modules: list[tuple[str, torch.nn.Module]] = []
    with refusals(entry.title, position, shape):
        if entry.layer == OWN:
            assert entry.own is not None
            modules.append((_name(entry.title, position), make_module(entry.own, entry.arguments["options"])))
        elif entry.layer is not None:
            if flattens(entry, shape):
                modules.append((f"flatten{position}", torch.nn.Flatten()))
            made = find_layer(entry.layer).function(**entry.arguments)
            modules.append((_name(entry.layer, position), made))
    if entry.activation is not None:
        name = activation_name(entry.activation)
        with refusals(name, position, shape):
            modules.append((_name(name, position), make_activation(entry.activation)))
    return modules


def flattens(entry: LayerSpec, shape: Sequence[int | None]) -> bool:
    """True if the layer first flattens its input of shape `shape`."""
    found = find_layer(str(entry.layer))
    return found.flattens and entry.arguments.get("flatten") is not False and len(shape) > 1


@contextlib.contextmanager
def refusals(title: str, position: int, shape: Sequence[int | None]) -> Iterator[None]:
    """Context manager: turn any exception inside into a SpecError that names the layer and its input shape."""
    try:
        yield
    except ShapeUnknown:
        raise
    except Exception as error:  # torch says in many types why a shape does not fit
        raise SpecError(
            f"layer {position} {title!r} does not fit its input {batch_shape(tuple(shape))}: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _name(kind: str, position: int) -> str:
    """Unique module name: 'relu' at 61 -> 'relu61', and 'relu6' at 1 -> 'relu6_1'."""
    kind = kind.replace(".", "_")
    return f"{kind}_{position}" if kind[-1].isdigit() else f"{kind}{position}"
