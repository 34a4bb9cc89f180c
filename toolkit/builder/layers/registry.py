"""Registry of layers: the names that `add()` knows, and each layer's requirements on its input."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from runtime.errors import SpecError, suggest

__all__ = ["FILLED", "LAYERS", "Layer", "LayerFunction", "find_layer", "layer", "names_of", "plain_name"]

LayerFunction: TypeAlias = Callable[..., torch.nn.Module]

FILLED = frozenset({"in_shape", "num_classes", "vocabulary"})
"""Parameters that are filled in when they are not given: from the shape that arrives, and from the network's spec."""

_AXES = {
    1: "(N, features)",
    2: "(N, channels, length)",
    3: "(N, channels, height, width)",
    4: "(N, channels, depth, height, width)",
}


@dataclass(frozen=True)
class Layer:
    """A registered layer.

    Attributes:
        name: as given to `add()`, in lower case.
        function: keyword arguments -> torch module.
        in_axis: axis of the input whose length `size`, or its first number, must equal (batch axis not
            counted; -1 is the last), or "vocabulary". None where `size` means something else.
        axes: allowed numbers of axes of one input (batch axis not counted), or None for any number.
        flattens: the input is flattened first when it has more than one axis, and `size[0]` counts all its features.
            A layer with a parameter `flatten` does so only while that is True, and else counts the last axis.
        sequence: the first axis is time: (N, length, features).
        dtype: "float32", "int64" (tokens), or "any".
        aliases: other accepted names.
    """

    name: str
    function: LayerFunction
    in_axis: int | Literal["vocabulary"] | None = None
    axes: tuple[int, ...] | None = None
    flattens: bool = False
    sequence: bool = False
    dtype: Literal["float32", "int64", "any"] = "float32"
    aliases: tuple[str, ...] = ()

    @functools.cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The function's parameters by name."""
        return dict(inspect.signature(self.function).parameters)

    @functools.cached_property
    def size_is_pair(self) -> bool:
        """True if `size` is a pair (in, out): a single number is then `out`, and `in` is inferred."""
        hint = typing.get_type_hints(self.function)["size"]
        return any(typing.get_origin(option) is tuple for option in (hint, *typing.get_args(hint)))

    @property
    def takes(self) -> str:
        """Accepted input shapes, in words: "(N, channels, height, width)"."""
        if self.axes is None:
            return "(N, ...)"
        words = dict(_AXES)
        if self.dtype == "int64":
            words[1] = "(N, length) tokens"
        if self.sequence:
            words[2] = "(N, length, features)"
        return " or ".join(words.get(axes, f"an input of {axes + 1} axes") for axes in self.axes)


LAYERS: dict[str, Layer] = {}

_ELSEWHERE = {"dense": "linear", "fc": "linear", "fullyconnected": "linear", "bn": "batchnorm2d"}
"""Names that other libraries and papers use and that are too far from ours to be found by their letters."""


def layer(
    *,
    in_axis: int | Literal["vocabulary"] | None = None,
    axes: int | tuple[int, ...] | None = None,
    flattens: bool = False,
    sequence: bool | None = None,
    dtype: Literal["float32", "int64", "any"] = "float32",
    aliases: tuple[str, ...] = (),
) -> Callable[[LayerFunction], LayerFunction]:
    """Register a function as a layer under its name; see `Layer` for the arguments.

    Parameters called in_shape, num_classes and vocabulary are filled in when they are not given. `sequence` is taken to
    be True where `in_axis` is -1. A function refuses arguments that do not fit each other by a ValueError: the builder
    adds the layer's position and what it receives.

    Raises:
        SpecError: a layer of that name is registered already.
    """

    def register(function: LayerFunction) -> LayerFunction:
        name = function.__name__.lower()
        taken = {known for entry in LAYERS.values() for known in names_of(entry)}
        for given in (name, *aliases):
            if given in taken:
                raise SpecError(f"A layer named {given!r} is registered already. Choose another name.")
        LAYERS[name] = Layer(
            name,
            function,
            in_axis,
            (axes,) if isinstance(axes, int) else axes,
            flattens,
            in_axis == -1 if sequence is None else sequence,
            dtype,
            aliases,
        )
        return function

    return register


def names_of(entry: Layer) -> tuple[str, ...]:
    """The layer's name and its aliases."""
    return (entry.name, *entry.aliases)


def plain_name(name: str) -> str:
    """Normalised name, lower case without underscores: 'Conv_Transpose2d' and 'convtranspose2d' are the same."""
    return name.lower().replace("_", "")


def find_layer(name: str) -> Layer:
    """Look up a layer, ignoring case, and underscores if unambiguous. Raises SpecError with the closest names."""
    found = LAYERS.get(str(name).lower())
    if found is not None:
        return found
    wanted = plain_name(str(name))
    alike = [entry for entry in LAYERS.values() if wanted in map(plain_name, names_of(entry))]
    if len(alike) != 1:
        elsewhere = _ELSEWHERE.get(wanted)
        hint = suggest(str(name), LAYERS) if elsewhere is None else f" Here it is called {elsewhere!r}."
        raise SpecError(f"There is no layer {name!r}.{hint}")
    return alike[0]
