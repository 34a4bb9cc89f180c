"""The layers and activations that `add()` knows by name. One function a layer; its signature is what may be given."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from model_zoo import MLP, LeNet
from runtime.errors import SpecError, suggest

__all__ = ["ACTIVATIONS", "LAYERS", "Layer", "find_activation", "find_layer", "layer"]


@dataclass(frozen=True)
class Layer:
    """A registered layer.

    Attributes:
        name: as given to `add()`, in lower case.
        function: keyword arguments -> torch module.
        in_axis: the axis of the input (batch axis not counted) whose length `size[0]` must equal, or None.
        axes: how many axes one input has (batch axis not counted), or None for any.
        flattens: the input is flattened first when it has more than one axis, and `size[0]` counts all its features.
    """

    name: str
    function: Callable[..., torch.nn.Module]
    in_axis: int | None = None
    axes: int | None = None
    flattens: bool = False

    @property
    def size_is_pair(self) -> bool:
        """Whether `size` is (in, out), so that one whole number means the second, with the first inferred."""
        return "tuple" in str(inspect.signature(self.function).parameters["size"].annotation)


LAYERS: dict[str, Layer] = {}


def layer(
    *, in_axis: int | None = None, axes: int | None = None, flattens: bool = False
) -> Callable[[Callable[..., torch.nn.Module]], Callable[..., torch.nn.Module]]:
    """Register a function as a layer under its name. A parameter `in_shape` is filled in when it is not given.

    Raises:
        SpecError: a layer of that name is registered already.
    """

    def register(function: Callable[..., torch.nn.Module]) -> Callable[..., torch.nn.Module]:
        name = function.__name__.lower()
        if name in LAYERS:
            raise SpecError(f"A layer named {name!r} is registered already. Choose another name.")
        LAYERS[name] = Layer(name, function, in_axis, axes, flattens)
        return function

    return register


def find_layer(name: str) -> Layer:
    """Look a layer up, without case. Raises SpecError with the closest names."""
    found = LAYERS.get(str(name).lower())
    if found is None:
        raise SpecError(f"There is no layer {name!r}.{suggest(str(name), LAYERS)}")
    return found


@layer(in_axis=0, axes=3)
def conv2d(
    *,
    size: int | tuple[int, int],
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    bias: bool = True,
) -> torch.nn.Module:
    """(N, size[0], H, W) -> (N, size[1], H', W')."""
    channels, filters = _both(size)
    return torch.nn.Conv2d(channels, filters, kernel_size, stride, padding, dilation, groups, bias)


@layer(axes=3)
def maxpool(
    *,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
) -> torch.nn.Module:
    """(N, C, H, W) -> (N, C, H', W'), the greatest value of each window."""
    return torch.nn.MaxPool2d(kernel_size, stride, padding)


@layer(axes=3)
def avgpool(
    *,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
) -> torch.nn.Module:
    """(N, C, H, W) -> (N, C, H', W'), the mean of each window."""
    return torch.nn.AvgPool2d(kernel_size, stride, padding)


@layer(flattens=True)
def linear(*, size: int | tuple[int, int], bias: bool = True) -> torch.nn.Module:
    """(N, ...) flattened to (N, size[0]) -> (N, size[1])."""
    return torch.nn.Linear(*_both(size), bias=bias)


@layer()
def flatten() -> torch.nn.Module:
    """(N, ...) -> (N, features)."""
    return torch.nn.Flatten()


@layer()
def dropout(*, p: float = 0.5) -> torch.nn.Module:
    """The same shape; in training each value is zeroed with probability `p`."""
    return torch.nn.Dropout(p)


@layer(in_axis=0, axes=3)
def batchnorm2d(*, size: int | None = None, eps: float = 1e-5, momentum: float = 0.1) -> torch.nn.Module:
    """(N, size, H, W) -> the same shape, each channel normalised over the batch."""
    assert size is not None
    return torch.nn.BatchNorm2d(size, eps, momentum)


@layer(in_axis=0, axes=1)
def batchnorm1d(*, size: int | None = None, eps: float = 1e-5, momentum: float = 0.1) -> torch.nn.Module:
    """(N, size) -> the same shape, each feature normalised over the batch."""
    assert size is not None
    return torch.nn.BatchNorm1d(size, eps, momentum)


@layer(axes=3)
def lenet(*, num_classes: int, in_shape: tuple[int, int, int]) -> torch.nn.Module:
    """(N, C, H, W) -> (N, num_classes) logits: LeNet-5 for pictures of at least 12 x 12."""
    return LeNet(in_shape, num_classes)


@layer()
def mlp(*, out_features: int, in_shape: tuple[int, ...], hidden: tuple[int, ...] = (64, 32)) -> torch.nn.Module:
    """(N, ...) -> (N, out_features): linear layers with ReLU between them."""
    return MLP(in_shape, out_features, hidden)


def _both(size: int | tuple[int, int]) -> tuple[int, int]:
    assert isinstance(size, tuple)  # the builder has filled the first one in
    return size


ACTIVATIONS: dict[str, Callable[[], torch.nn.Module]] = {
    "relu": torch.nn.ReLU,
    "relu6": torch.nn.ReLU6,
    "leakyrelu": torch.nn.LeakyReLU,
    "elu": torch.nn.ELU,
    "selu": torch.nn.SELU,
    "gelu": torch.nn.GELU,
    "silu": torch.nn.SiLU,
    "hardswish": torch.nn.Hardswish,
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "softplus": torch.nn.Softplus,
    "softmax": partial(torch.nn.Softmax, dim=1),
    "logsoftmax": partial(torch.nn.LogSoftmax, dim=1),
}


def find_activation(name: str) -> str:
    """The registered name of an activation, looked up without case. Raises SpecError with the closest names."""
    if not isinstance(name, str) or name.lower() not in ACTIVATIONS:
        raise SpecError(f"There is no activation {name!r}.{suggest(str(name), ACTIVATIONS)}")
    return name.lower()
