"""The registry: names without case, suggestions, no second registration, and what each layer computes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from runtime.errors import SpecError
from toolkit.builder import layers
from toolkit.builder.layers import ACTIVATIONS, LAYERS, find_activation, find_layer, layer


@pytest.fixture
def registry() -> Iterator[None]:
    """Leave the registry as it was."""
    before = dict(LAYERS)
    yield
    LAYERS.clear()
    LAYERS.update(before)


@pytest.mark.parametrize("name", ["Conv2D", "conv2d", "CONV2D"])
def test_layers_are_found_without_case(name: str) -> None:
    assert find_layer(name) is LAYERS["conv2d"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("conv2", "There is no layer 'conv2'. Did you mean 'conv2d'?"),
        ("Maxpol", "Did you mean 'maxpool' or 'avgpool'?"),
        ("quux", "Known names: avgpool, batchnorm1d"),
        (7, "There is no layer 7."),
    ],
)
def test_a_misspelt_layer_suggests_and_never_guesses(name: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        find_layer(name)
    assert words in str(caught.value)


@pytest.mark.parametrize(("name", "found"), [("ReLU", "relu"), ("SOFTMAX", "softmax"), ("LeakyReLU", "leakyrelu")])
def test_activations_are_found_without_case(name: str, found: str) -> None:
    assert find_activation(name) == found


@pytest.mark.parametrize("name", ["reluu", "soft max", 3, ""])
def test_a_misspelt_activation_suggests_and_never_guesses(name: str) -> None:
    with pytest.raises(SpecError, match=r"There is no activation .*(Did you mean|Known names)"):
        find_activation(name)


def test_a_second_registration_of_a_name_raises(registry: None) -> None:
    def Linear() -> torch.nn.Module:  # the same name without case
        return torch.nn.Identity()

    before = LAYERS["linear"]
    with pytest.raises(SpecError, match="A layer named 'linear' is registered already"):
        layer()(Linear)
    assert LAYERS["linear"] is before


def test_a_registered_function_is_a_layer_from_then_on(registry: None) -> None:
    @layer(axes=1)
    def double(*, factor: float = 2.0) -> torch.nn.Module:
        return torch.nn.Identity()

    assert find_layer("Double").function is double
    assert find_layer("double").axes == 1


def test_every_layer_says_its_shapes_and_is_named_after_its_function() -> None:
    for name, entry in LAYERS.items():
        assert entry.name == name == entry.function.__name__
        assert entry.function.__doc__
        assert "shape" in entry.function.__doc__ or "->" in entry.function.__doc__


ARGUMENTS = {
    "conv2d": (
        {"size": (3, 6), "kernel_size": 3, "stride": 2, "padding": 1, "bias": False},
        torch.nn.Conv2d(3, 6, 3, 2, 1, bias=False),
    ),
    "maxpool": ({"kernel_size": 3, "stride": 2, "padding": 1}, torch.nn.MaxPool2d(3, 2, 1)),
    "avgpool": ({"kernel_size": 2, "stride": 1}, torch.nn.AvgPool2d(2, 1)),
    "linear": ({"size": (4, 2), "bias": False}, torch.nn.Linear(4, 2, bias=False)),
    "flatten": ({}, torch.nn.Flatten()),
    "dropout": ({"p": 0.25}, torch.nn.Dropout(0.25)),
    "batchnorm2d": ({"size": 3, "eps": 1e-3, "momentum": 0.2}, torch.nn.BatchNorm2d(3, 1e-3, 0.2)),
    "batchnorm1d": ({"size": 3}, torch.nn.BatchNorm1d(3)),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_layer_is_torchs_own_with_the_same_arguments(name: str) -> None:
    arguments, expected = ARGUMENTS[name]
    assert repr(LAYERS[name].function(**arguments)) == repr(expected)


def test_every_layer_is_tested_here_or_with_model_zoo() -> None:
    assert set(ARGUMENTS) | {"lenet", "mlp"} == set(LAYERS)


def test_whole_networks_are_layers() -> None:
    assert layers.lenet(num_classes=4, in_shape=(1, 12, 12))(torch.rand(2, 1, 12, 12)).shape == (2, 4)
    assert layers.mlp(out_features=4, in_shape=(3,), hidden=(5,))(torch.rand(2, 3)).shape == (2, 4)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_the_function_of_its_name(name: str) -> None:
    x = torch.linspace(-4, 4, 12).reshape(3, 4)
    function = getattr(torch.nn.functional, {"leakyrelu": "leaky_relu", "logsoftmax": "log_softmax"}.get(name, name))
    expected = function(x, dim=1) if "softmax" in name else function(x)
    torch.testing.assert_close(ACTIVATIONS[name]()(x), expected)
