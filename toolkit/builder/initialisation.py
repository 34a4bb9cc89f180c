"""Weight initialisation by name, with the gain of the activation after the layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

import torch
from torch.nn import init

from runtime.errors import SpecError, suggest
from toolkit.builder.activations import Activation, activation_name
from toolkit.builder.arguments import Interval, Positive, check_arguments

__all__ = [
    "INITIALISERS",
    "Initialisation",
    "Nonlinearity",
    "initialise",
    "is_initialised",
    "nonlinearity_of",
    "parse_initialisation",
]

Initialisation: TypeAlias = str | Mapping[str, Any]
"""A name, or {"name": ..., and its options}."""

Deviation: TypeAlias = Annotated[float, Interval(low=0)]


@dataclass(frozen=True)
class Nonlinearity:
    """Nonlinearity after a weight: a name of torch.nn.init.calculate_gain, and the slope for "leaky_relu"."""

    name: str = "linear"
    slope: float | None = None

    @property
    def gain(self) -> float:
        """Variance-preserving gain, as torch.nn.init.calculate_gain: ReLU sqrt(2), tanh 5/3, ..."""
        return init.calculate_gain(self.name, self.slope)  # type: ignore[arg-type]


LINEAR, RELU, TANH = Nonlinearity(), Nonlinearity("relu"), Nonlinearity("tanh")

# Activations that calculate_gain lacks take its nearest: those that are near max(0, x) take ReLU's gain, those that are near
# a sigmoid sigmoid's, those that are near tanh tanh's. GLU halves a linear product; a softmax ends the network.
_NEAREST: dict[str, Nonlinearity] = {
    **dict.fromkeys(
        ("relu", "relu6", "elu", "celu", "gelu", "silu", "mish", "hardswish", "softplus", "threshold"), RELU
    ),
    **dict.fromkeys(("tanh", "hardtanh", "softsign"), TANH),
    **dict.fromkeys(("sigmoid", "hardsigmoid", "logsigmoid"), Nonlinearity("sigmoid")),
    **dict.fromkeys(("softmax", "logsoftmax", "glu"), LINEAR),
    "selu": Nonlinearity("selu"),
}

INITIALISERS: dict[str, Callable[..., None]] = {}

_ALIASES = {"glorot_uniform": "xavier_uniform", "glorot_normal": "xavier_normal", "he_uniform": "kaiming_uniform"}
_ALIASES |= {"he_normal": "kaiming_normal", "eye": "identity", "dirac": "identity"}


def nonlinearity_of(activation: Activation | None) -> Nonlinearity:
    """The activation after a layer -> the nearest nonlinearity of torch.nn.init; "linear" for none."""
    if activation is None:
        return LINEAR
    name, options = activation_name(activation), {} if isinstance(activation, str) else activation
    if name == "leakyrelu":
        return Nonlinearity("leaky_relu", float(options.get("negative_slope", 0.01)))
    if name == "prelu":
        return Nonlinearity("leaky_relu", float(options.get("init", 0.25)))
    if name == "rrelu":  # the mean slope
        return Nonlinearity("leaky_relu", (options.get("lower", 1 / 8) + options.get("upper", 1 / 3)) / 2)
    return _NEAREST[name]


def _initialiser(function: Callable[..., None]) -> Callable[..., None]:
    INITIALISERS[function.__name__] = function
    return function


@_initialiser
def xavier_uniform(weight: torch.Tensor, after: Nonlinearity, /, *, gain: Positive | None = None) -> None:
    """Uniform within ± gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    init.xavier_uniform_(weight, after.gain if gain is None else gain)


@_initialiser
def xavier_normal(weight: torch.Tensor, after: Nonlinearity, /, *, gain: Positive | None = None) -> None:
    """Normal with deviation gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    init.xavier_normal_(weight, after.gain if gain is None else gain)


@_initialiser
def kaiming_uniform(
    weight: torch.Tensor, after: Nonlinearity, /, *, mode: Literal["fan_in", "fan_out"] = "fan_in"
) -> None:
    """Uniform within ± gain * sqrt(3 / fan) (He et al., 2015)."""
    bound = after.gain * math.sqrt(3 / _fan(weight, mode))
    init.uniform_(weight, -bound, bound)


@_initialiser
def kaiming_normal(
    weight: torch.Tensor, after: Nonlinearity, /, *, mode: Literal["fan_in", "fan_out"] = "fan_in"
) -> None:
    """Normal with deviation gain / sqrt(fan) (He et al., 2015)."""
    init.normal_(weight, 0.0, after.gain / math.sqrt(_fan(weight, mode)))


@_initialiser
def uniform(weight: torch.Tensor, after: Nonlinearity, /, *, a: float = 0.0, b: float = 1.0) -> None:
    """Uniform in [a, b)."""
    if a > b:
        raise ValueError(f"a={a} was given, which is above b={b}. Exchange them.")
    init.uniform_(weight, a, b)


@_initialiser
def normal(weight: torch.Tensor, after: Nonlinearity, /, *, mean: float = 0.0, std: Deviation = 1.0) -> None:
    """Normal with this mean and deviation."""
    init.normal_(weight, mean, std)


@_initialiser
def trunc_normal(
    weight: torch.Tensor,
    after: Nonlinearity,
    /,
    *,
    mean: float = 0.0,
    std: Deviation = 1.0,
    a: float = -2.0,
    b: float = 2.0,
) -> None:
    """Normal with this mean and deviation, drawn anew outside [a, b]."""
    if a >= b:
        raise ValueError(f"a={a} was given, which is not below b={b}.")
    if std == 0:
        init.constant_(weight, min(max(mean, a), b))
        return
    init.trunc_normal_(weight, mean, std, a, b)


@_initialiser
def constant(weight: torch.Tensor, after: Nonlinearity, /, *, value: float = 0.0) -> None:
    """Every weight has this value."""
    init.constant_(weight, value)


@_initialiser
def zeros(weight: torch.Tensor, after: Nonlinearity, /) -> None:
    """Every weight is 0."""
    init.zeros_(weight)


@_initialiser
def ones(weight: torch.Tensor, after: Nonlinearity, /) -> None:
    """Every weight is 1."""
    init.ones_(weight)


@_initialiser
def orthogonal(weight: torch.Tensor, after: Nonlinearity, /, *, gain: Positive | None = None) -> None:
    """Rows, or columns where there are fewer, at right angles and of length gain (Saxe et al., 2013)."""
    init.orthogonal_(weight, after.gain if gain is None else gain)


@_initialiser
def identity(weight: torch.Tensor, after: Nonlinearity, /) -> None:
    """The identity, as far as the shape allows: eye for matrices, dirac for convolutions' kernels."""
    if weight.ndim == 2:
        init.eye_(weight)
    else:
        init.dirac_(weight)


@_initialiser
def sparse(
    weight: torch.Tensor,
    after: Nonlinearity,
    /,
    *,
    sparsity: Annotated[float, Interval(0, 1)] = 0.1,
    std: Deviation = 0.01,
) -> None:
    """Normal with this deviation, and this share of each column zero (Martens, 2010); a kernel has one row per filter."""
    flat = torch.empty(weight.shape[0], weight[0].numel(), device=weight.device)
    init.sparse_(flat, sparsity, std)
    with torch.no_grad():
        weight.copy_(flat.view_as(weight))


def parse_initialisation(given: Initialisation | None, what: str) -> Initialisation | None:
    """Check a name or {"name": ..., options}; a name alone where there are no options. Raises SpecError."""
    if given is None:
        return None
    name = given.get("name") if isinstance(given, Mapping) else given
    key = name.lower() if isinstance(name, str) else ""
    key = _ALIASES.get(key, key).removesuffix("_")
    if key not in INITIALISERS:
        raise SpecError(f"{what} init: there is no initialisation {name!r}.{suggest(str(name), INITIALISERS)}")
    options = {option: v for option, v in given.items() if option != "name"} if isinstance(given, Mapping) else {}
    checked = check_arguments(INITIALISERS[key], options, f"{what} init {key!r}")
    parsed: Initialisation = {"name": key, **checked} if checked else key
    try:
        with torch.random.fork_rng(devices=[]):
            _apply(torch.empty(4, 4, device="cpu"), parsed, LINEAR)
    except ValueError as error:
        raise SpecError(f"{what} init {key!r}: {error}") from error
    return parsed


def is_initialised(module: torch.nn.Module) -> bool:
    """True if the module has any weights that `initialise` would draw."""
    return any(True for part in module.modules() for _ in _weights(part, LINEAR))


def initialise(module: torch.nn.Module, setting: Initialisation, activation: Activation | None = None) -> None:
    """Initialise the weights of linear layers, convolutions, embeddings, recurrent and attention layers; biases to 0.

    Normalisation layers and unknown modules keep their values. Recurrent weights are drawn gate by gate, attention's
    query, key and value one by one, transposed convolutions with their fans exchanged, so that each matrix has the fan it
    works with. The weight of one layer takes the gain of the activation behind it; those inside a larger module take ReLU's,
    recurrent and attention weights 1, embeddings 1.

    Args:
        module: changed in place.
        setting: what `parse_initialisation` returned.
        activation: the activation after the module, or None.
    """
    single = not list(module.children())
    after = nonlinearity_of(activation) if single else RELU
    with torch.no_grad():
        for part in module.modules():
            for weight, follows in _weights(part, after):
                _apply(weight, setting, follows)
            _zero_biases(part)
            if isinstance(part, torch.nn.Embedding) and part.padding_idx is not None:
                part.weight[part.padding_idx].zero_()


def _apply(weight: torch.Tensor, setting: Initialisation, after: Nonlinearity) -> None:
    name = setting if isinstance(setting, str) else setting["name"]
    options = {} if isinstance(setting, str) else {key: value for key, value in setting.items() if key != "name"}
    drawn = weight.contiguous()  # itself, unless it is a turned view
    INITIALISERS[name](drawn, after, **options)
    if drawn is not weight:
        weight.copy_(drawn)


def _weights(part: torch.nn.Module, after: Nonlinearity) -> Iterator[tuple[torch.Tensor, Nonlinearity]]:
    """Weight matrices and kernels of one module, each with the nonlinearity after it."""
    if isinstance(part, torch.nn.modules.conv._ConvTransposeNd):
        # (in, out / groups, ...): turned, so that its fan-in is counted over what comes in, group by group
        for group in part.weight.chunk(part.groups):
            yield group.transpose(0, 1), after
    elif isinstance(part, torch.nn.modules.conv._ConvNd):
        for group in part.weight.chunk(part.groups):
            yield group, after
    elif isinstance(part, torch.nn.Linear | torch.nn.Bilinear):
        yield part.weight, after
    elif isinstance(part, torch.nn.Embedding | torch.nn.EmbeddingBag):
        yield part.weight, LINEAR
    elif isinstance(part, torch.nn.RNNBase | torch.nn.RNNCellBase):
        for name, weight in part.named_parameters(recurse=False):
            if name.startswith("weight"):
                gates = 1 if name.startswith("weight_hr") else weight.shape[0] // part.hidden_size
                yield from ((gate, LINEAR) for gate in weight.chunk(gates))
    elif isinstance(part, torch.nn.MultiheadAttention):
        if part.in_proj_weight is not None:
            yield from ((matrix, LINEAR) for matrix in part.in_proj_weight.chunk(3))
        else:
            yield from ((matrix, LINEAR) for matrix in (part.q_proj_weight, part.k_proj_weight, part.v_proj_weight))


_KNOWN = (
    torch.nn.modules.conv._ConvNd,
    torch.nn.Linear,
    torch.nn.Bilinear,
    torch.nn.RNNBase,
    torch.nn.RNNCellBase,
    torch.nn.MultiheadAttention,
)


def _zero_biases(part: torch.nn.Module) -> None:
    if isinstance(part, _KNOWN):
        for name, parameter in part.named_parameters(recurse=False):
            if "bias" in name:
                parameter.zero_()


def _fan(weight: torch.Tensor, mode: str) -> int:
    """Fan-in (inputs per output) or fan-out (outputs per input) of a weight."""
    field = math.prod(weight.shape[2:])
    return max(1, int((weight.shape[1] if mode == "fan_in" else weight.shape[0]) * field))
