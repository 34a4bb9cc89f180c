"""One layer's description, as `add()` gives it and as JSON keeps it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch

from runtime.errors import SpecError
from toolkit.builder.activations import ACTIVATIONS, Activation, activation_name, find_activation, parse_activation
from toolkit.builder.arguments import check_arguments
from toolkit.builder.initialisation import Initialisation, parse_initialisation
from toolkit.builder.layers.registry import FILLED, Layer, find_layer
from toolkit.builder.own_modules import OwnModule, find_module, own_module

__all__ = ["OWN", "LayerSpec", "Shape", "batch_shape"]

Shape: TypeAlias = tuple[int, ...]

OWN = "module"
"""The name of a layer that is a user's own torch module."""


@dataclass(frozen=True)
class LayerSpec:
    """One `add()`: a layer, its arguments, the activation after it, and its weight initialisation.

    Attributes:
        layer: its name; None for an activation alone; "module" for a user's own, whose arguments are name and options.
        arguments: plain values.
        activation: a name, or {"name": ..., options}.
        init: a name, or {"name": ..., options}; None leaves it to the network.
        own: class or instance of a "module"; never part of JSON.
    """

    layer: str | None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    activation: Activation | None = None
    init: Initialisation | None = None
    own: OwnModule | None = field(default=None, compare=False, repr=False)

    @property
    def title(self) -> str:
        """Name for errors: the layer's name, the class of an own module, or the activation."""
        if self.layer == OWN:
            return str(self.arguments["name"])
        return self.layer or activation_name(self.activation or "identity")

    @classmethod
    def parse(
        cls,
        layer: str | torch.nn.Module | type[torch.nn.Module] | None,
        arguments: Mapping[str, Any],
        activation: Activation | None,
        position: int,
        init: Initialisation | None = None,
        *,
        occurrence: int = 0,
    ) -> LayerSpec:
        """Check names and arguments.

        Args:
            layer: a registered name, a torch module, its class, or None for an activation alone.
            arguments: of the layer, of the class, or of the activation that stands alone.
            activation: a name, or {"name": ..., options}.
            position: counted from 1; named in errors.
            init: a name, or {"name": ..., options}.
            occurrence: how many own modules of the same name, given as instances, stand before it.

        Raises:
            SpecError: a name is unknown, or an argument does not fit.
        """
        what = f"layer {position}"
        if not isinstance(arguments, Mapping):
            raise SpecError(f"{what}: the arguments are {arguments!r}; a mapping from names to values is expected.")
        start = parse_initialisation(init, what)
        if layer is None:
            return cls._alone(arguments, activation, start, what)
        behind = parse_activation(activation, what)
        if not isinstance(layer, str) and (isinstance(layer, torch.nn.Module) or callable(layer)):
            own, given = own_module(layer, arguments, what)
            return cls(OWN, given, behind, start, own)
        if isinstance(layer, str) and layer.lower() == OWN:
            own, given = find_module(arguments, occurrence, what)
            return cls(OWN, given, behind, start, own)
        found = cls._find(layer, what)
        return cls(
            found.name, check_arguments(found.function, arguments, f"{what} {found.name!r}", FILLED), behind, start
        )

    @staticmethod
    def _find(layer: Any, what: str) -> Layer:
        try:
            return find_layer(layer)
        except SpecError:
            if not isinstance(layer, str) or layer.lower() not in ACTIVATIONS:
                raise
            raise SpecError(
                f"{what}: {layer!r} is an activation. Give it to the layer before, activation={layer!r}, or add it alone: "
                f"add(activation={layer!r})."
            ) from None

    @classmethod
    def _alone(
        cls, arguments: Mapping[str, Any], activation: Activation | None, init: Initialisation | None, what: str
    ) -> LayerSpec:
        """An activation without a layer, whose options are the arguments."""
        if activation is None:
            shown = f"{', '.join(map(str, arguments))} were given, but" if arguments else "there is"
            raise SpecError(f"{what}: {shown} no layer's name. Name the layer first.")
        if init is not None:
            raise SpecError(
                f"{what}: init={init!r} was given to an activation, which has no weights. Give it to a layer."
            )
        if arguments:
            name = find_activation(activation.get("name", "") if isinstance(activation, Mapping) else activation)
            options = inspect.signature(ACTIVATIONS[name]).parameters
            unknown = [str(given) for given in arguments if given not in options]
            if unknown:
                raise SpecError(
                    f"{what}: {', '.join(unknown)} {'were' if len(unknown) > 1 else 'was'} given, but no layer's name. Name the layer "
                    f"first; the activation {name!r} takes {', '.join(options) or 'no option'}."
                )
            activation = {**(activation if isinstance(activation, Mapping) else {"name": activation}), **arguments}
        return cls(None, {}, parse_activation(activation, what))

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {
            "layer": self.layer,
            "arguments": dict(self.arguments),
            "activation": dict(self.activation) if isinstance(self.activation, Mapping) else self.activation,
            "init": dict(self.init) if isinstance(self.init, Mapping) else self.init,
        }

    def completed(self, arguments: Mapping[str, Any]) -> LayerSpec:
        """Copy of the entry with all arguments filled in."""
        return dataclasses.replace(self, arguments=dict(arguments))


def batch_shape(shape: tuple[int | None, ...]) -> str:
    """Text of a batch's shape: (3, 8, 8) -> '(N, 3, 8, 8)'; an unknown length is '?'."""
    return f"({', '.join(['N', *('?' if length is None else str(length) for length in shape)])})"
