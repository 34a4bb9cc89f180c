"""The activations that `add()` knows by name. One function each; its signature defines the options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import torch

from model_zoo.layers.softmax import LogSoftmax, Softmax
from runtime.errors import SpecError, suggest
from toolkit.builder.arguments import Axis, Positive, check_arguments

__all__ = ["ACTIVATIONS", "Activation", "activation_name", "find_activation", "make_activation", "parse_activation"]

Activation: TypeAlias = str | Mapping[str, Any]
"""A name, or {"name": ..., and its options}."""

ACTIVATIONS: dict[str, Callable[..., torch.nn.Module]] = {}

_ALIASES = {"swish": "silu"}


def _activation(function: Callable[..., torch.nn.Module]) -> Callable[..., torch.nn.Module]:
    ACTIVATIONS[function.__name__] = function
    return function


@_activation
def relu() -> torch.nn.Module:
    """max(0, x)."""
    return torch.nn.ReLU()


@_activation
def relu6() -> torch.nn.Module:
    """min(max(0, x), 6)."""
    return torch.nn.ReLU6()


@_activation
def leakyrelu(*, negative_slope: float = 0.01) -> torch.nn.Module:
    """x above 0, negative_slope * x below."""
    return torch.nn.LeakyReLU(negative_slope)


@_activation
def prelu(*, num_parameters: int = 1, init: float = 0.25) -> torch.nn.Module:
    """x above 0, a * x below, with `a` learnt: one for all, or one per channel."""
    return torch.nn.PReLU(num_parameters, init)


@_activation
def rrelu(*, lower: float = 1 / 8, upper: float = 1 / 3) -> torch.nn.Module:
    """x above 0, a * x below, with `a` drawn from [lower, upper] in training and their mean otherwise."""
    if lower > upper:
        raise ValueError(f"lower={lower} was given, which is above upper={upper}. Exchange them.")
    return torch.nn.RReLU(lower, upper)


@_activation
def elu(*, alpha: float = 1.0) -> torch.nn.Module:
    """x above 0, alpha * (exp(x) - 1) below."""
    return torch.nn.ELU(alpha)


@_activation
def selu() -> torch.nn.Module:
    """1.0507 * elu(x, alpha=1.6733): keeps mean 0 and variance 1."""
    return torch.nn.SELU()


@_activation
def celu(*, alpha: Positive = 1.0) -> torch.nn.Module:
    """x above 0, alpha * (exp(x / alpha) - 1) below."""
    return torch.nn.CELU(alpha)


@_activation
def gelu(*, approximate: Literal["none", "tanh"] = "none") -> torch.nn.Module:
    """x times the normal distribution function of x."""
    return torch.nn.GELU(approximate)


@_activation
def silu() -> torch.nn.Module:
    """x * sigmoid(x)."""
    return torch.nn.SiLU()


@_activation
def mish() -> torch.nn.Module:
    """x * tanh(softplus(x))."""
    return torch.nn.Mish()


@_activation
def hardswish() -> torch.nn.Module:
    """x * relu6(x + 3) / 6."""
    return torch.nn.Hardswish()


@_activation
def sigmoid() -> torch.nn.Module:
    """1 / (1 + exp(-x))."""
    return torch.nn.Sigmoid()


@_activation
def hardsigmoid() -> torch.nn.Module:
    """relu6(x + 3) / 6."""
    return torch.nn.Hardsigmoid()


@_activation
def logsigmoid() -> torch.nn.Module:
    """log(sigmoid(x))."""
    return torch.nn.LogSigmoid()


@_activation
def tanh() -> torch.nn.Module:
    """The hyperbolic tangent."""
    return torch.nn.Tanh()


@_activation
def hardtanh(*, min_val: float = -1.0, max_val: float = 1.0) -> torch.nn.Module:
    """x within [min_val, max_val], its limits outside."""
    if min_val >= max_val:
        raise ValueError(f"min_val={min_val} was given, which is not below max_val={max_val}.")
    return torch.nn.Hardtanh(min_val, max_val)


@_activation
def softplus(*, beta: Positive = 1.0, threshold: float = 20.0) -> torch.nn.Module:
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x is above the threshold."""
    return torch.nn.Softplus(beta, threshold)


@_activation
def softsign() -> torch.nn.Module:
    """x / (1 + |x|)."""
    return torch.nn.Softsign()


@_activation
def softmax(*, dim: Axis | None = None) -> torch.nn.Module:
    """exp(x) divided by its sum over the classes: axis 1, the last axis of a sequence (N, L, K), or `dim`."""
    return Softmax(_not_the_batch(dim))


@_activation
def logsoftmax(*, dim: Axis | None = None) -> torch.nn.Module:
    """log(softmax(x)), over the same axis."""
    return LogSoftmax(_not_the_batch(dim))


@_activation
def glu(*, dim: Axis = -1) -> torch.nn.Module:
    """a * sigmoid(b), where a and b are the halves of axis `dim`, which comes out half as long."""
    return torch.nn.GLU(_not_the_batch(dim))


@_activation
def threshold(*, threshold: float = 0.0, value: float = 0.0) -> torch.nn.Module:
    """x above the threshold, `value` elsewhere."""
    return torch.nn.Threshold(threshold, value)


def find_activation(name: str) -> str:
    """The registered name of an activation, looked up without case and underscores. Raises SpecError with the closest names."""
    if isinstance(name, str):
        plain = name.lower().replace("_", "")
        plain = _ALIASES.get(plain, plain)
        if plain in ACTIVATIONS:
            return plain
    raise SpecError(f"There is no activation {name!r}.{suggest(str(name), ACTIVATIONS)}")


def parse_activation(given: Activation | None, what: str) -> Activation | None:
    """Check a name or {"name": ..., options}; a name alone where there are no options.

    Args:
        given: as `add()` takes it.
        what: named in the errors, such as ``"layer 3"``.

    Raises:
        SpecError: the name or an option is unknown, or an option does not fit.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping):
        name = find_activation(given)
        check_arguments(ACTIVATIONS[name], {}, f"{what} {name!r}")
        return name
    if "name" not in given:
        raise SpecError(
            f"{what}: the activation {dict(given)!r} has no name; {{'name': 'leakyrelu', 'negative_slope': 0.2}} is expected."
        )
    name = find_activation(given["name"])
    options = {key: value for key, value in given.items() if key != "name"}
    checked = check_arguments(ACTIVATIONS[name], options, f"{what} {name!r}")
    return {"name": name, **checked} if checked else name


def activation_name(activation: Activation) -> str:
    """The name of an activation as `parse_activation` returned it."""
    return activation if isinstance(activation, str) else str(activation["name"])


def make_activation(activation: Activation) -> torch.nn.Module:
    """Build the module of a parsed activation. Raises ValueError for options that do not fit each other."""
    options = {} if isinstance(activation, str) else {key: v for key, v in activation.items() if key != "name"}
    return ACTIVATIONS[activation_name(activation)](**options)


def _not_the_batch(dim: int | None) -> Any:
    if dim == 0:
        raise ValueError("dim=0 was given, which is the batch axis. Give axis 1 or later.")
    return dim
