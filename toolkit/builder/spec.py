"""A network's description: plain JSON, checked layer by layer, built when its input shape is known."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch

from runtime.errors import SpecError
from toolkit.builder.arguments import check_arguments
from toolkit.builder.layers import ACTIVATIONS, find_activation, find_layer
from toolkit.builder.network import Network

__all__ = ["LayerSpec", "NetworkSpec", "Shape", "batch_shape", "build", "check", "read_shape"]

Shape: TypeAlias = tuple[int, ...]

# Stands in for a picture of unknown size: large enough for any stack of layers, and free on the meta device.
_TRIAL_LENGTH = 512


@dataclass(frozen=True)
class LayerSpec:
    """One `add()`: a layer's name (None for an activation alone), its arguments, and an activation behind it."""

    layer: str | None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    activation: str | None = None

    @classmethod
    def parse(cls, layer: str | None, arguments: Mapping[str, Any], activation: str | None, position: int) -> LayerSpec:
        """Check names and arguments. `position` counts from 1 and is named in errors. Raises SpecError."""
        name = None
        if layer is not None:
            found = find_layer(layer)
            name = found.name
            arguments = check_arguments(
                found.function, arguments, f"layer {position} {name!r}", frozenset({"in_shape"})
            )
        elif arguments:
            raise SpecError(
                f"layer {position}: {', '.join(arguments)} were given, but no layer's name. Name the layer first."
            )
        return cls(name, arguments, None if activation is None else find_activation(activation))

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class NetworkSpec:
    """A whole network: the shape of one input (without the batch axis) and the layers in order."""

    input_shape: Shape | None
    layers: tuple[LayerSpec, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {
            "input_shape": None if self.input_shape is None else list(self.input_shape),
            "layers": [entry.to_dict() for entry in self.layers],
        }

    @classmethod
    def from_dict(cls, value: Any) -> NetworkSpec:
        """Read a spec back. Raises SpecError when it is malformed or names an unknown layer."""
        try:
            shape = value["input_shape"]
            entries = [
                (entry["layer"], entry.get("arguments", {}), entry.get("activation")) for entry in value["layers"]
            ]
            shape = None if shape is None else read_shape(shape)
        except (TypeError, KeyError, AttributeError, IndexError) as error:
            raise SpecError(
                f"The network's description is malformed ({error!r}); input_shape and layers are expected, each layer with "
                f"layer, arguments and activation."
            ) from error
        layers = tuple(LayerSpec.parse(*entry, position) for position, entry in enumerate(entries, start=1))
        return cls(shape, layers)


def read_shape(value: Any) -> Shape:
    """The shape of one input, without the batch axis. Raises SpecError when it is none."""
    numbers = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if not numbers or not all(isinstance(number, int) and number >= 1 for number in numbers):
        raise SpecError(
            f"The input shape {value!r} was given; whole numbers of at least 1 without the batch axis are expected, such as "
            f"(1, 28, 28)."
        )
    return numbers


def check(spec: NetworkSpec) -> tuple[NetworkSpec, list[Shape]]:
    """Infer every layer's output shape by running an empty tensor on the meta device.

    Returns:
        The spec with inferred arguments filled in, and the output shape of each layer (without the batch axis); the
        list is empty while the input shape is unknown.

    Raises:
        SpecError: a layer does not fit what it receives; the first one is named.
    """
    with torch.device("meta"), torch.no_grad():
        return _check(spec)


def build(spec: NetworkSpec) -> Network:
    """Build the network with fresh weights, drawn from torch's global random state. Raises SpecError as `check`."""
    complete, _ = check(spec)
    if complete.input_shape is None:
        raise SpecError(
            "The shape of the network's input is not known yet. Load data first, or give it: nn('cls', input_shape=(1, 28, 28))."
        )
    network = Network()
    shape = complete.input_shape
    for position, entry in enumerate(complete.layers, start=1):
        for name, module in _modules(entry, position, shape):
            network.add_module(name, module)
        shape = _run_shape([module for _, module in _meta_modules(entry, position, shape)], shape)
    return network


def _check(spec: NetworkSpec) -> tuple[NetworkSpec, list[Shape]]:
    known = spec.input_shape is not None
    shape = spec.input_shape or _implied_shape(spec)
    exact = known or (shape is not None and len(shape) == 1)
    if shape is None:
        return spec, []
    input_shape, layers, shapes = shape, [], []
    for position, entry in enumerate(spec.layers, start=1):
        try:
            complete = _complete(entry, position, shape, exact)
            shape = _run(complete, position, shape)
        except _Undecided:
            return spec, []
        except SpecError:
            raise
        except Exception as error:  # torch says in many types why a shape does not fit
            if not exact:
                return spec, []
            raise SpecError(
                f"layer {position} {entry.layer!r} does not fit its input {batch_shape(shape)}: {_first_line(error)}"
            ) from error
        layers.append(complete)
        shapes.append(shape)
    if not exact:
        return spec, []
    return NetworkSpec(input_shape, tuple(layers)), shapes


class _Undecided(Exception):
    """A layer's fit depends on an input size that is not known yet."""


def _implied_shape(spec: NetworkSpec) -> Shape | None:
    """The input shape that the first layer tells by itself: exact for `linear`, with a trial size for `conv2d`."""
    if not spec.layers or spec.layers[0].layer is None:
        return None
    first = find_layer(spec.layers[0].layer)
    size = spec.layers[0].arguments.get("size")
    if not isinstance(size, tuple):
        return None
    if first.flattens:
        return (size[0],)
    return (size[0], _TRIAL_LENGTH, _TRIAL_LENGTH) if first.name == "conv2d" else None


def _complete(entry: LayerSpec, position: int, shape: Shape, exact: bool) -> LayerSpec:
    """Fill in what was left to inference, and compare what was given with what arrives."""
    if entry.layer is None:
        return entry
    found, arguments = find_layer(entry.layer), dict(entry.arguments)
    if found.axes is not None and len(shape) != found.axes:
        expected = {1: "(N, features)", 3: "(N, channels, height, width)"}[found.axes]
        raise SpecError(
            f"layer {position} {found.name!r}: {expected} is expected, but it receives {batch_shape(shape)}."
        )
    if "in_shape" in inspect.signature(found.function).parameters:
        if not exact:
            raise _Undecided
        if arguments.setdefault("in_shape", shape) != shape:
            raise SpecError(
                f"layer {position} {found.name!r}: in_shape={arguments['in_shape']} was given, but it receives {batch_shape(shape)}. "
                f"Leave in_shape out; it is filled in."
            )
    if found.in_axis is None and not found.flattens:
        return dataclasses.replace(entry, arguments=arguments)
    if found.flattens and len(shape) > 1 and not exact:
        raise _Undecided
    received = math.prod(shape) if found.flattens else shape[found.in_axis or 0]
    size = arguments.get("size")
    if isinstance(size, int) and found.size_is_pair:
        arguments["size"] = (received, size)
    elif size is None:
        arguments["size"] = received
    else:
        expected = size[0] if isinstance(size, tuple) else size
        if expected != received:
            kind = "input features" if found.flattens else "input channels"
            shown = repr(size) if isinstance(size, tuple) else str(size)
            where = f" (input shape {batch_shape(shape)})" if exact else ""
            raise SpecError(
                f"layer {position} {found.name!r}: size={shown} expects {expected} {kind}, but it receives {received}{where}."
            )
    return dataclasses.replace(entry, arguments=arguments)


def _modules(entry: LayerSpec, position: int, shape: Shape) -> list[tuple[str, torch.nn.Module]]:
    modules: list[tuple[str, torch.nn.Module]] = []
    if entry.layer is not None:
        found = find_layer(entry.layer)
        if found.flattens and len(shape) > 1:
            modules.append((f"flatten{position}", torch.nn.Flatten()))
        modules.append((_module_name(found.name, position), found.function(**entry.arguments)))
    if entry.activation is not None:
        modules.append((_module_name(entry.activation, position), ACTIVATIONS[entry.activation]()))
    return modules


def _module_name(kind: str, position: int) -> str:
    """'relu' at 61 -> 'relu61', and 'relu6' at 1 -> 'relu6_1', so that no two are the same."""
    return f"{kind}_{position}" if kind[-1].isdigit() else f"{kind}{position}"


def _meta_modules(entry: LayerSpec, position: int, shape: Shape) -> list[tuple[str, torch.nn.Module]]:
    with torch.device("meta"):
        return _modules(entry, position, shape)


def _run(entry: LayerSpec, position: int, shape: Shape) -> Shape:
    return _run_shape([module for _, module in _modules(entry, position, shape)], shape)


def _run_shape(modules: Sequence[torch.nn.Module], shape: Shape) -> Shape:
    with torch.device("meta"), torch.no_grad():
        tensor = torch.empty(2, *shape)
        for module in modules:
            tensor = module.eval()(tensor)
    return tuple(tensor.shape[1:])


def batch_shape(shape: Shape) -> str:
    """(3, 8, 8) -> '(N, 3, 8, 8)'."""
    return f"(N, {', '.join(map(str, shape))})"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
