"""Initial weights: each one's statistics, the gain of the activation behind, and what is left alone."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch

from runtime.errors import SpecError
from toolkit.builder.activations import ACTIVATIONS
from toolkit.builder.initialisation import (
    INITIALISERS,
    initialise,
    nonlinearity_of,
    parse_initialisation,
)
from toolkit.builder.spec import LayerSpec, NetworkSpec, build

OPTIONS: dict[str, dict[str, Any]] = {
    "xavier_uniform": {"gain": 2.0},
    "xavier_normal": {"gain": 2.0},
    "kaiming_uniform": {"mode": "fan_out"},
    "kaiming_normal": {"mode": "fan_out"},
    "uniform": {"a": -0.1, "b": 0.1},
    "normal": {"mean": 0.1, "std": 0.02},
    "trunc_normal": {"std": 0.02, "a": -0.04, "b": 0.04},
    "constant": {"value": 0.3},
    "zeros": {},
    "ones": {},
    "orthogonal": {"gain": 0.5},
    "identity": {},
    "sparse": {"sparsity": 0.5, "std": 0.1},
}


def linear(init: Any, activation: Any = None, size: tuple[int, int] = (400, 300)) -> torch.Tensor:
    entry = LayerSpec.parse("linear", {"size": size}, activation, 1, init)
    layer = build(NetworkSpec((size[0],), (entry,)))[0]
    assert isinstance(layer, torch.nn.Linear)
    assert not layer.bias.any()
    return layer.weight.detach()


def test_every_initialiser_is_tested_and_says_what_it_does() -> None:
    assert set(OPTIONS) == set(INITIALISERS)
    assert all(function.__doc__ for function in INITIALISERS.values())


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("layer", ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose2d", "bilinear", "lstm"])
def test_every_initialiser_serves_every_kind_of_weight(name: str, layer: str) -> None:
    shapes: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
        "linear": ((4,), {"size": 6}),
        "bilinear": ((4,), {"size": (1, 3, 6)}),
        "lstm": ((5, 4), {"size": 6}),
        "conv1d": ((4, 9), {"size": 6, "kernel_size": 3, "groups": 2}),
        "conv2d": ((4, 9, 9), {"size": 6, "kernel_size": 3}),
        "conv3d": ((4, 9, 9, 9), {"size": 6, "kernel_size": 3}),
        "conv_transpose2d": ((4, 9, 9), {"size": 6, "kernel_size": 3, "groups": 2}),
    }
    shape, arguments = shapes[layer]
    entry = LayerSpec.parse(layer, arguments, "relu", 1, {"name": name, **OPTIONS[name]})
    spec = NetworkSpec(shape, (entry,))
    again = NetworkSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again == spec
    torch.manual_seed(0)
    first = build(spec).state_dict()
    torch.manual_seed(0)
    second = build(again).state_dict()
    for key, value in first.items():
        assert torch.equal(value, second[key])
        if "bias" in key:
            assert not value.any()


def test_uniform_and_normal_have_the_statistics_asked_for() -> None:
    torch.manual_seed(0)
    weight = linear({"name": "normal", "mean": 0.1, "std": 0.02})
    assert weight.mean().item() == pytest.approx(0.1, abs=1e-3)
    assert weight.std().item() == pytest.approx(0.02, rel=0.02)
    weight = linear({"name": "uniform", "a": -0.5, "b": 0.25})
    assert -0.5 <= weight.min() < -0.49
    assert 0.24 < weight.max() <= 0.25
    weight = linear({"name": "trunc_normal", "std": 1.0, "a": -0.5, "b": 0.5})
    assert weight.abs().max() <= 0.5


@pytest.mark.parametrize(
    ("activation", "gain"),
    [
        (None, 1.0),
        ("relu", math.sqrt(2)),
        ("tanh", 5 / 3),
        ("sigmoid", 1.0),
        ("selu", 0.75),
        ({"name": "leakyrelu", "negative_slope": 0.5}, math.sqrt(2 / 1.25)),
        ("gelu", math.sqrt(2)),  # nearest
        ("softmax", 1.0),
    ],
)
def test_the_gain_is_that_of_the_activation_behind(activation: Any, gain: float) -> None:
    torch.manual_seed(0)
    assert linear("xavier_normal", activation).std().item() == pytest.approx(gain * math.sqrt(2 / 700), rel=0.02)
    assert linear("kaiming_normal", activation).std().item() == pytest.approx(gain / math.sqrt(400), rel=0.02)
    fan_out = linear({"name": "kaiming_uniform", "mode": "fan_out"}, activation)
    assert fan_out.abs().max().item() == pytest.approx(gain * math.sqrt(3 / 300), rel=0.01)
    rows = linear("orthogonal", activation)
    torch.testing.assert_close(rows @ rows.T, gain**2 * torch.eye(300), atol=1e-4, rtol=0)


def test_every_activation_has_a_gain() -> None:
    assert all(nonlinearity_of(name).gain > 0 for name in ACTIVATIONS)


def test_the_gain_is_looked_up_behind_a_normalisation_and_in_the_next_add() -> None:
    def std(*behind: tuple[str | None, Any]) -> float:
        entries = (("linear", None), *behind)
        layers = tuple(
            LayerSpec.parse(layer, {"size": 400} if layer == "linear" else {}, activation, position)
            for position, (layer, activation) in enumerate(entries, start=1)
        )
        weight = build(NetworkSpec((400,), layers, init="kaiming_normal"))[0].weight
        return weight.std().item() * math.sqrt(400)

    assert std(("batchnorm1d", None), ("dropout", None), (None, "tanh")) == pytest.approx(5 / 3, rel=0.02)
    assert std(("batchnorm1d", "relu")) == pytest.approx(math.sqrt(2), rel=0.02)
    assert std(("linear", "relu")) == pytest.approx(1, rel=0.02)
    assert std() == pytest.approx(1, rel=0.02)


def test_identity_is_eye_for_matrices_and_dirac_for_kernels() -> None:
    assert torch.equal(linear("eye", size=(4, 4)), torch.eye(4))
    entry = LayerSpec.parse("conv2d", {"size": 4, "kernel_size": 3, "padding": 1, "groups": 2}, None, 1, "dirac")
    x = torch.randn(2, 4, 5, 6)
    torch.testing.assert_close(build(NetworkSpec((4, 5, 6), (entry,)))(x), x)


def test_sparse_has_zeros_in_each_column() -> None:
    weight = linear({"name": "sparse", "sparsity": 0.3, "std": 1.0})
    assert (weight == 0).sum(0).tolist() == [90] * 400


def test_recurrent_weights_are_drawn_gate_by_gate() -> None:
    entry = LayerSpec.parse("lstm", {"size": 8, "num_layers": 2, "bidirectional": True}, None, 1, "orthogonal")
    network = build(NetworkSpec((5, 8), (entry,)))
    gates = [gate for key, value in network.state_dict().items() if "weight_hh" in key for gate in value.chunk(4)]
    assert len(gates) == 16
    for gate in gates:
        torch.testing.assert_close(gate @ gate.T, torch.eye(8), atol=1e-5, rtol=0)


def test_attention_is_drawn_matrix_by_matrix() -> None:
    module = torch.nn.MultiheadAttention(8, 2)
    initialise(module, "identity")
    assert torch.equal(module.in_proj_weight.detach(), torch.eye(8).repeat(3, 1))
    assert torch.equal(module.out_proj.weight.detach(), torch.eye(8))


def test_a_transposed_convolution_counts_what_comes_in() -> None:
    torch.manual_seed(0)
    module = torch.nn.ConvTranspose2d(200, 50, 3)
    initialise(module, "kaiming_normal")
    assert module.weight.std().item() == pytest.approx(1 / math.sqrt(200 * 9), rel=0.03)


def test_padding_stays_zero_and_normalisations_stay_as_they_are() -> None:
    embedding = LayerSpec.parse("embedding", {"size": (5, 4), "padding_idx": 2}, None, 1)
    norm = LayerSpec.parse("layernorm", {}, None, 2)
    network = build(NetworkSpec((3,), (embedding, norm), init="ones"))
    assert network[0].weight.sum(1).tolist() == [4, 4, 0, 4, 4]
    network = build(NetworkSpec((3,), (embedding, norm), init="zeros"))
    assert torch.equal(network[1].weight.detach(), torch.ones(4))


def test_a_layers_own_choice_wins_over_the_networks() -> None:
    layers = (
        LayerSpec.parse("linear", {"size": 3}, None, 1),
        LayerSpec.parse("linear", {"size": 3}, None, 2, {"name": "constant", "value": 0.5}),
        LayerSpec.parse("mlp", {"out_features": 2}, None, 3),
    )
    network = build(NetworkSpec((4,), layers, init="ones"))
    assert bool((network[0].weight == 1).all())
    assert bool((network[1].weight == 0.5).all())
    assert all(bool((weight == 1).all()) for name, weight in network[2].named_parameters() if "weight" in name)


def test_without_a_choice_weights_are_torchs_own() -> None:
    torch.manual_seed(4)
    expected = torch.nn.Linear(4, 3)
    torch.manual_seed(4)
    network = build(NetworkSpec((4,), (LayerSpec.parse("linear", {"size": 3}, None, 1),)))
    assert torch.equal(network[0].weight, expected.weight)


def test_parsing_leaves_the_random_state_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    parse_initialisation("orthogonal", "layer 1")
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("xavier", "layer 1 init: there is no initialisation 'xavier'. Did you mean 'xavier_"),
        (7, "layer 1 init: there is no initialisation 7."),
        ({"std": 1}, "layer 1 init: there is no initialisation None."),
        ({"name": "normal", "sd": 1}, "layer 1 init 'normal': there is no argument 'sd'. Did you mean 'std'?"),
        ({"name": "normal", "std": -1}, "layer 1 init 'normal': std=-1 was given; a number of at least 0 is expected."),
        ({"name": "sparse", "sparsity": 2}, "sparsity=2 was given; a number from 0 to 1 is expected."),
        ({"name": "uniform", "a": 2, "b": 1}, "layer 1 init 'uniform': a=2 was given, which is above b=1."),
        ({"name": "kaiming_normal", "mode": "in"}, "mode='in' was given; 'fan_in' or 'fan_out' is expected."),
    ],
)
def test_a_wrong_initialisation_is_refused(given: Any, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        LayerSpec.parse("linear", {"size": 3}, None, 1, given)
    assert message in str(caught.value)


def test_a_networks_wrong_initialisation_is_refused_at_once() -> None:
    with pytest.raises(SpecError, match="the network's init: there is no initialisation 'kaming_normal'"):
        NetworkSpec(None, init="kaming_normal")


def test_an_activation_has_no_weights_to_begin_with() -> None:
    with pytest.raises(SpecError, match="init='ones' was given to an activation"):
        LayerSpec.parse(None, {}, "relu", 1, "ones")
