"""Network assembly: add layers, activations and the user's own modules; summary table and drawing."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from runtime.atomic import atomic_write
from runtime.console import table
from runtime.errors import SpecError
from toolkit.api.state import State
from toolkit.builder.layer_spec import LayerSpec
from toolkit.builder.own_modules import keep_instances
from toolkit.builder.spec import NetworkSpec, build, check, read_shape
from toolkit.builder.summary import Summary, summarize
from toolkit.training.optimization.optimizers import find_optimizer

__all__ = ["Assembly"]


class Assembly(State):
    """`add`, `summary`, `print_model` and `draw`."""

    def add(
        self,
        layer: str | torch.nn.Module | type[torch.nn.Module] | None = None,
        activation: str | Mapping[str, Any] | None = None,
        optimizer: str | Mapping[str, Any] | None = None,
        *,
        init: str | Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        """Add a layer, an activation, or choose the optimiser.

        The layer is checked against what it will receive at once, as far as the input's shape is known by then. Behind a network that
        has learnt, the layers before it keep their weights.

        Args:
            layer: a name of docs/reference.md; a torch module of your own, or its class with its arguments behind it.
            activation: applied after the layer: a name, or {"name": ..., options}.
            optimizer: a name, or {"name": ..., options}.
            init: this layer's weight initialisation; None takes the network's.
            arguments: of the layer; of the activation where there is no layer.

        Raises:
            SpecError: a name or an argument is unknown, or the layer does not fit the one before it.
        """
        if isinstance(activation, int | float | list | tuple):
            raise SpecError(
                f"add() was given {activation!r} for the activation. Name the layer's arguments: add('linear', size=(4, 3))."
            )
        if optimizer is not None:
            self.optimizer = find_optimizer(optimizer)
        if layer is None and activation is None:
            if optimizer is None or arguments:
                raise SpecError(
                    "add() was given neither a layer nor an activation. Name one, such as add('linear', size=(4, 3))."
                )
            return
        position = len(self._spec.layers) + 1
        entry = LayerSpec.parse(layer, arguments, activation, position, init)
        self.add_layers([entry])

    def add_layers(self, layers: Sequence[LayerSpec]) -> None:
        """Add layers that were read from a description. Raises SpecError as `add`."""
        extended = dataclasses.replace(self._spec, layers=(*self._spec.layers, *layers), target_scaling=None)
        check(extended)
        keep_instances(entry.own for entry in extended.layers)
        self._spec = extended
        self._rebuild()
        self._checkpoint = None  # of the network without these layers

    @property
    def spec(self) -> NetworkSpec:
        """The network's description, with inferred sizes filled in as far as they are known."""
        return check(self._spec)[0]

    def summary(self, input_shape: Sequence[int] | None = None) -> Summary:
        """The network as a table: layer, output shape, parameters, multiply-adds. `print()` it, or use its rows."""
        spec = self._spec
        if input_shape is not None:
            spec = dataclasses.replace(spec, input_shape=read_shape(input_shape))
        complete, shapes = check(spec)
        if not shapes or complete.input_shape is None:
            raise SpecError(
                "The shape of the network's input is not known yet. Load data first, or say it: summary((1, 28, 28))."
            )
        with torch.device("meta"):
            network = build(complete)
        return summarize(network, complete.input_shape, complete.input_dtype)

    def print_model(self) -> None:
        """Print the table of `summary()`; while the input's shape is unknown, the layers as they were added."""
        if check(self._spec)[1]:
            print(self.summary())
            return
        rows = [
            (
                position,
                entry.layer or "",
                ", ".join(f"{name}={value!r}" for name, value in entry.arguments.items()),
                entry.activation or "",
            )
            for position, entry in enumerate(self._spec.layers, start=1)
        ]
        print(table(("", "layer", "arguments", "activation"), rows))
        print("Output shapes follow once data is loaded, or with summary((channels, height, width)).")

    def draw(self, path: str | os.PathLike[str] = "network.svg", *, depth: int | None = None) -> Path:
        """Draw the network into a .png or .svg file.

        Args:
            path: the file.
            depth: how many levels of blocks are opened; None chooses by the number of boxes.

        Raises:
            SpecError: the file has another ending, or the input's shape is unknown yet.
        """
        from toolkit.explain.diagram.drawing import draw_network

        target = Path(path)
        kind: Literal["png", "svg"] = "svg" if target.suffix.lower() == ".svg" else "png"
        if target.suffix.lower() not in (".png", ".svg"):
            raise SpecError(f"{target} was given; a file ending in .png or .svg is expected.")
        spec = self.spec
        if spec.input_shape is None or not check(spec)[1]:
            raise SpecError(
                "The shape of the network's input is not known yet. Load data first, or give nn(input_shape=...)."
            )
        with torch.device("meta"):
            network = build(spec)
        atomic_write(
            target,
            draw_network(network, spec.input_shape, kind, input_dtype=spec.input_dtype or "float32", depth=depth),
        )
        return target
