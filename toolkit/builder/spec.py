"""A network's description: plain JSON, checked layer by layer, built when its input shape is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from runtime.errors import SpecError
from toolkit.builder.activations import Activation
from toolkit.builder.argument_inference import complete
from toolkit.builder.initialisation import Initialisation, initialise, parse_initialisation
from toolkit.builder.layer_modules import layer_modules
from toolkit.builder.layer_spec import OWN, LayerSpec, Shape, batch_shape
from toolkit.builder.layers import find_layer
from toolkit.builder.network import Network
from toolkit.builder.shape_inference import ROWS, run
from toolkit.builder.target_scaling import ScalingKind, TargetScaling
from toolkit.builder.trial_input import ShapeUnknown, TrialInput

__all__ = ["DType", "LayerSpec", "NetworkSpec", "Shape", "batch_shape", "build", "check", "read_shape"]

DType = Literal["float32", "int64"]

# Trial lengths stand in for an axis of unknown length: what comes out the same for all of them that run does not depend on it.
# They lie far apart, so that no pooling makes one length of all: 512 and 448 are both 2 of 224 each. The greatest is large
# enough for any stack of layers, and free on the meta device; a recurrent layer walks every step even there.
_TRIAL_LENGTHS = (512, 448, 224, 96, 2048)
_TRIAL_STEPS = (24, 20, 9, 97)


@dataclass(frozen=True)
class NetworkSpec:
    """A whole network. Two specs are equal when their layers and input are.

    Attributes:
        input_shape: of one input, without the batch axis; None while it is not known.
        layers: in order.
        input_dtype: "float32", or "int64" for tokens; None leaves it to the layers, and `check` fills it in.
        init: default weight initialisation of the layers: a name, or {"name": ..., options}; None keeps torch's.
        further_inputs: shape and dtype of the inputs beside the first one, all of which go to the first layer, a module of one's
            own.
        num_classes: default of the layers' argument of that name.
        vocabulary: the same, and the first number of an embedding's size.
        padding: what tells padded steps of the input from real ones: "nan" (all features of the step) or a token; None where
            all are real.
        skips_padding: every layer leaves padding out (`model_zoo.masking`); False, as in specs of versions that had no such
            layers, leaves it to those that take a mask.
        target_scaling: what the network's fixed last step brings back to the data's units; None without such a step. Its
            numbers are among the weights, as buffers.
    """

    input_shape: Shape | None
    layers: tuple[LayerSpec, ...] = ()
    input_dtype: DType | None = None
    init: Initialisation | None = None
    further_inputs: tuple[tuple[Shape, DType], ...] = ()
    num_classes: int | None = field(default=None, compare=False)
    vocabulary: int | None = field(default=None, compare=False)
    padding: int | Literal["nan"] | None = field(default=None, compare=False)
    skips_padding: bool = field(default=True, compare=False)
    target_scaling: ScalingKind | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "init", parse_initialisation(self.init, "the network's"))
        for dtype in (self.input_dtype, *(dtype for _, dtype in self.further_inputs)):
            if dtype not in ("float32", "int64", None):
                raise SpecError(f"The input's dtype {dtype!r} was given; 'float32' or 'int64' is expected.")
        for name in ("num_classes", "vocabulary"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise SpecError(f"{name}={value!r} was given; a whole number of at least 1 is expected.")
        if self.target_scaling not in (None, "values", "means and variances"):
            raise SpecError(
                f"target_scaling={self.target_scaling!r} was given; 'values', 'means and variances' or None is expected."
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {
            "input_shape": None if self.input_shape is None else list(self.input_shape),
            "input_dtype": self.input_dtype,
            "init": self.init if self.init is None or isinstance(self.init, str) else dict(self.init),
            "num_classes": self.num_classes,
            "vocabulary": self.vocabulary,
            "layers": [entry.to_dict() for entry in self.layers],
            # left out where there are none, as in specs of versions that knew of one input only
            **(
                {"further_inputs": [[list(shape), dtype] for shape, dtype in self.further_inputs]}
                if self.further_inputs
                else {}
            ),
            **({"padding": self.padding} if self.padding is not None else {}),
            **({"skips_padding": True} if self.skips_padding else {}),
            **({} if self.target_scaling is None else {"target_scaling": self.target_scaling}),
        }

    @classmethod
    def from_dict(cls, value: Any) -> NetworkSpec:
        """Read a spec back.

        Raises:
            SpecError: it is malformed, or names an unknown layer or a module of a user's own that was not given.
        """
        try:
            shape = value["input_shape"]
            entries = [
                (entry["layer"], entry.get("arguments", {}), entry.get("activation"), entry.get("init"))
                for entry in value["layers"]
            ]
            shape = None if shape is None else read_shape(shape)
            names = ("input_dtype", "init", "num_classes", "vocabulary", "target_scaling")
            rest = {name: value.get(name) for name in names}
            further = tuple((read_shape(shape), dtype) for shape, dtype in value.get("further_inputs", ()))
            padding, skips = value.get("padding"), value.get("skips_padding", False)
            if (type(padding) not in (int, type(None)) and padding != "nan") or not isinstance(skips, bool):
                raise ValueError(f"padding={padding!r}, skips_padding={skips!r}")
        except (TypeError, KeyError, AttributeError, IndexError, ValueError) as error:
            raise SpecError(
                f"The network's description is malformed ({error!r}); input_shape and layers are expected, each layer with "
                f"layer, arguments and activation."
            ) from error
        layers, seen = [], dict[Any, int]()
        for position, (layer, arguments, activation, init) in enumerate(entries, start=1):
            instance = layer == OWN and isinstance(arguments, dict) and arguments.get("options") is None
            name = str(arguments.get("name")) if instance else None
            layers.append(LayerSpec.parse(layer, arguments, activation, position, init, occurrence=seen.get(name, 0)))
            seen[name] = seen.get(name, 0) + 1
        return cls(shape, tuple(layers), further_inputs=further, padding=padding, skips_padding=skips, **rest)


def read_shape(value: Any) -> Shape:
    """The shape of one input, without the batch axis. Raises SpecError for anything else."""
    numbers = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if not numbers or not all(type(number) is int and number >= 1 for number in numbers):
        raise SpecError(
            f"The input shape {value!r} was given; whole numbers of at least 1 without the batch axis are expected, such as "
            f"(1, 28, 28)."
        )
    return numbers


def check(spec: NetworkSpec) -> tuple[NetworkSpec, list[Shape]]:
    """Infer every layer's output shape by running an empty tensor on the meta device.

    Returns:
        The spec with inferred arguments filled in, and the output shape of each layer (without the batch axis); the
        list is empty while the input shape, or a number that a layer needs, is unknown.

    Raises:
        SpecError: a layer does not fit what it receives; the first one is named.
    """
    try:
        return _check(spec)
    except ShapeUnknown:
        return spec, []


def build(spec: NetworkSpec) -> Network:
    """Build the network with fresh weights, drawn from torch's global random state.

    Raises:
        SpecError: as `check`, or something that a layer needs is not known yet.
    """
    try:
        full, shapes = _check(spec)
    except ShapeUnknown as reason:
        raise SpecError(
            "The shape of the network's input is not known yet. Load data first, or give it: nn('cls', input_shape=(1, 28, 28))."
            if spec.input_shape is None
            else f"The network cannot be built yet: {reason}"
        ) from reason
    network = Network()
    arriving: Shape = full.input_shape or ()
    for index, (entry, leaving) in enumerate(zip(full.layers, shapes, strict=True)):
        modules = layer_modules(entry, index + 1, arriving)
        setting = entry.init or (full.init if entry.own is None or not entry.own.instances else None)
        for name, module in modules:
            if setting is not None and (entry.activation is None or module is not modules[-1][1]):
                initialise(module, setting, _activation_behind(full.layers, index))
            network.add_module(name, module)
        arriving = leaving
    if full.target_scaling is not None:
        count = arriving[0] // (1 if full.target_scaling == "values" else 2)
        network.set_target_scaling(TargetScaling([0.0] * count, [1.0] * count, full.target_scaling))
    network.input_dtype = torch.int64 if full.input_dtype == "int64" else torch.float32
    network.further_inputs = tuple(
        (shape, torch.int64 if kind == "int64" else torch.float32) for shape, kind in full.further_inputs
    )
    network.padding, network.skips_padding = full.padding, full.skips_padding
    return network


# Layers that may stand between a weight and its activation without changing the weight's gain.
_TRANSPARENT = ("norm", "pool", "dropout", "identity", "flatten", "reshape", "pad", "squeeze", "permute", "upsample")


def _activation_behind(layers: Sequence[LayerSpec], index: int) -> Activation | None:
    """The first activation after a layer: its own, or one after normalisation, pooling and the like only."""
    for place, entry in enumerate(layers[index:]):
        if place and entry.layer is not None and not any(word in entry.layer for word in _TRANSPARENT):
            return None
        if entry.activation is not None:
            return entry.activation
    return None


def _check(spec: NetworkSpec) -> tuple[NetworkSpec, list[Shape]]:
    """`check` that raises ShapeUnknown, with the reason, where the shapes cannot be inferred."""
    dtype = spec.input_dtype or _implied_dtype(spec)
    trials = [spec.input_shape] if spec.input_shape is not None else _implied_shapes(spec)
    if not trials:
        raise ShapeUnknown("The shape of the input is not known yet.")
    kind = torch.int64 if dtype == "int64" else torch.float32
    arriving = TrialInput([torch.empty(ROWS, *shape, dtype=kind, device="meta") for shape in trials])
    if spec.further_inputs:
        arriving = _with_further(spec, arriving)
    input_shape, layers, shapes = arriving.known, [], []
    for position, entry in enumerate(spec.layers, start=1):
        full = complete(entry, position, arriving, spec.num_classes, spec.vocabulary)
        arriving = run(full, position, arriving)
        layers.append(full)
        shapes.append(arriving.known or ())
    if input_shape is None:
        raise ShapeUnknown("The shape of the input is not known yet.")
    return dataclasses.replace(spec, input_shape=input_shape, layers=tuple(layers), input_dtype=dtype), shapes


def _with_further(spec: NetworkSpec, arriving: TrialInput) -> TrialInput:
    """The trial input with the further inputs, where the first layer takes several. Raises SpecError where it cannot."""
    first = spec.layers[0] if spec.layers else None
    if first is not None and first.layer != OWN:
        count = 1 + len(spec.further_inputs)
        raise SpecError(
            f"layer 1 {first.title!r} takes one input, and the data has {count}. Let a module of your own take them first: "
            f"add(MyModule), whose forward has {count} arguments."
        )
    others = tuple(
        torch.empty(ROWS, *shape, dtype=torch.int64 if dtype == "int64" else torch.float32, device="meta")
        for shape, dtype in spec.further_inputs
    )
    return TrialInput(arriving.tensors, further=others)


def _implied_dtype(spec: NetworkSpec) -> DType:
    """Input dtype that the first layer with a fixed one requires; else float32."""
    for entry in spec.layers:
        kind = "any" if entry.layer in (None, OWN) else find_layer(str(entry.layer)).dtype
        if kind != "any":
            return kind
    return "float32"


def _implied_shapes(spec: NetworkSpec) -> list[Shape]:
    """Input shapes that the first layer implies: one for `linear`, with two trial lengths where they are open."""
    first = spec.layers[0] if spec.layers else None
    if first is None or first.layer in (None, OWN):
        return []
    found, size = find_layer(str(first.layer)), first.arguments.get("size")
    if found.in_axis == "vocabulary" or (found.dtype == "int64" and found.axes == (1,)):
        return [(steps,) for steps in _TRIAL_STEPS]
    if not isinstance(size, tuple):
        return []
    if found.flattens:
        return [(size[0],)] if first.arguments.get("flatten") is not False else []
    if found.in_axis is None or found.axes is None or len(found.axes) > 1:
        return []
    if found.in_axis == -1:
        return [(steps, size[0]) for steps in _TRIAL_STEPS]
    return [(size[0], *(length,) * (found.axes[0] - 1)) for length in _TRIAL_LENGTHS]
