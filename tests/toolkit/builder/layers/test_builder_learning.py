"""Every layer, activation and initialiser, read from JSON: some steps of training lower the loss."""

from __future__ import annotations

import json
import math

import pytest
import torch

from toolkit.builder.activations import ACTIVATIONS
from toolkit.builder.initialisation import INITIALISERS
from toolkit.builder.layer_examples import ACTIVATION_EXAMPLES, EXAMPLES, VISION_EXAMPLES
from toolkit.builder.layer_spec import LayerSpec
from toolkit.builder.spec import NetworkSpec, build, check

ROWS = 8
# Nothing behind these is asked to learn: a network that learns without targets does so by itself.
OWN_LOSS = ("diffusion_model",)


def _reread(spec: NetworkSpec) -> NetworkSpec:
    return NetworkSpec.from_dict(json.loads(json.dumps(spec.to_dict())))


def _falls(spec: NetworkSpec, inputs: torch.Tensor, steps: int = 25, lr: float = 0.003) -> None:
    """The loss of fixed random targets, measured with the same dropout, is lower after some steps of Adam."""
    torch.manual_seed(0)
    network = build(_reread(spec))
    targets = torch.randn(len(inputs), 3)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)

    def loss() -> torch.Tensor:
        return torch.nn.functional.mse_loss(network(inputs), targets)

    def measured() -> float:
        torch.manual_seed(5)
        with torch.no_grad():
            return float(loss())

    network.train()
    before = measured()
    for _ in range(steps):
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    after = measured()
    assert math.isfinite(after)
    assert after < before


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in OWN_LOSS])
def test_a_layer_learns(name: str) -> None:
    example = EXAMPLES[name]
    spec = example.spec(name, ("linear", {"size": 3}))
    inputs = example.inputs(ROWS, torch.Generator().manual_seed(1))
    large = name.startswith("mobilenet")
    _falls(spec, inputs, steps=6 if large else 25)


def test_a_network_that_learns_without_targets_learns() -> None:
    example = EXAMPLES["diffusion_model"]
    torch.manual_seed(0)
    network = build(_reread(example.spec("diffusion_model")))
    pictures = example.inputs(ROWS, torch.Generator().manual_seed(1)).sigmoid()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.003)

    def measured() -> float:
        torch.manual_seed(5)  # the same times and noise
        with torch.no_grad():
            return float(network.training_loss(pictures))

    before = measured()
    for _ in range(20):
        value = network.training_loss(pictures)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert measured() < before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "squeezenet1_1"])
def test_a_network_of_torchvision_learns(name: str) -> None:
    example = VISION_EXAMPLES[name]
    spec = example.spec(name, ("linear", {"size": 3}))
    _falls(spec, example.inputs(4, torch.Generator().manual_seed(1)), steps=6)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_a_network_with_an_activation_learns(name: str) -> None:
    example = ACTIVATION_EXAMPLES[name]
    layers = (
        LayerSpec.parse("linear", {"size": (5, example.size)}, None, 1),
        LayerSpec.parse("reshape", {"size": example.input_shape}, None, 2),
        LayerSpec.parse(None, {}, {"name": name, **example.options}, 3),
        LayerSpec.parse("linear", {"size": 3}, None, 4),
    )
    _falls(NetworkSpec((5,), layers), torch.randn(ROWS, 5, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("name", list(INITIALISERS))
def test_a_network_that_begins_so_learns(name: str) -> None:
    layers = (
        LayerSpec.parse("conv1d", {"size": (2, 4), "kernel_size": 3, "padding": 1}, "tanh", 1),
        LayerSpec.parse("linear", {"size": 6}, "tanh", 2),
        LayerSpec.parse("linear", {"size": 3}, None, 3),
    )
    options = {"constant": {"value": 0.1}, "sparse": {"sparsity": 0.3}}.get(name, {})
    setting = {"name": name, **options} if options else name
    if name == "sparse":  # of matrices only
        layers = (LayerSpec.parse("linear", {"size": (10, 6)}, "tanh", 1), layers[2])
    spec = NetworkSpec((10,) if name == "sparse" else (2, 5), layers, init=setting)
    assert check(spec)[0].init == setting
    inputs = torch.randn(ROWS, *spec.input_shape or (), generator=torch.Generator().manual_seed(1))
    _falls(spec, inputs)
