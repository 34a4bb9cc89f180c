"""Activations: each is torch's own of its name, with the options given, over the right axis."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import torch

from runtime.errors import SpecError
from toolkit.builder.activations import (
    ACTIVATIONS,
    activation_name,
    find_activation,
    make_activation,
    parse_activation,
)
from toolkit.builder.layer_examples import ACTIVATION_EXAMPLES
from toolkit.builder.spec import LayerSpec, NetworkSpec, build, check

FUNCTIONS = {
    "leakyrelu": "leaky_relu",
    "logsoftmax": "log_softmax",
    "logsigmoid": "logsigmoid",
}


def test_every_activation_has_an_example_and_says_what_it_does() -> None:
    assert set(ACTIVATION_EXAMPLES) == set(ACTIVATIONS)
    assert all(function.__doc__ and function.__name__ == name for name, function in ACTIVATIONS.items())


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"prelu", "rrelu", "threshold"}))
def test_an_activation_is_the_function_of_its_name(name: str) -> None:
    x = torch.linspace(-4, 4, 12).reshape(3, 4)
    function = getattr(torch.nn.functional, FUNCTIONS.get(name, name))
    expected = function(x, dim=1) if "softmax" in name else function(x)
    torch.testing.assert_close(ACTIVATIONS[name]()(x), expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("prelu", [-1.0, -0.25, 2.0]),
        ("rrelu", [-4 * 11 / 48, -11 / 48, 2.0]),
        ("threshold", [0.0, 0.0, 2.0]),
    ],
)
def test_learnt_and_random_slopes_begin_as_torch_says(name: str, expected: list[float]) -> None:
    x = torch.tensor([-4.0, -1.0, 2.0])
    torch.testing.assert_close(ACTIVATIONS[name]().eval()(x), torch.tensor(expected))


@pytest.mark.parametrize("name", ACTIVATION_EXAMPLES)
def test_an_activation_builds_from_json_with_its_inferred_shape(name: str) -> None:
    example = ACTIVATION_EXAMPLES[name]
    spec = NetworkSpec(example.input_shape, (LayerSpec.parse(None, example.options, name, 1),))
    complete, shapes = check(spec)
    again = NetworkSpec.from_dict(json.loads(json.dumps(complete.to_dict())))
    assert again == complete
    network = build(again).eval()
    x = torch.randn(3, *example.input_shape)
    assert tuple(network(x).shape[1:]) == shapes[0]
    other = build(spec).eval()
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(x), network(x))
    module = network[0]
    for option, value in example.options.items():
        if hasattr(module, option):
            assert getattr(module, option) == value


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ReLU", "relu"),
        ("SOFTMAX", "softmax"),
        ("LeakyReLU", "leakyrelu"),
        ("leaky_relu", "leakyrelu"),
        ("log_softmax", "logsoftmax"),
        ("Swish", "silu"),
        ("Hard_Swish", "hardswish"),
    ],
)
def test_activations_are_found_without_case_and_underscores(name: str, found: str) -> None:
    assert find_activation(name) == found


@pytest.mark.parametrize("name", ["reluu", "soft max", 3, "", None])
def test_a_misspelt_activation_suggests_and_never_guesses(name: Any) -> None:
    with pytest.raises(SpecError, match=r"There is no activation .*(Did you mean|Known names)"):
        find_activation(name)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((4,), 1), ((4, 3), 2), ((4, 3, 5), 1), ((4, 3, 5, 2), 1)],
    ids=["row", "steps", "map", "volume"],
)
@pytest.mark.parametrize("name", ["softmax", "logsoftmax"])
def test_softmax_is_over_the_classes(name: str, shape: tuple[int, ...], axis: int) -> None:
    result = make_activation(name)(torch.randn(2, *shape))
    total = result.sum(axis) if name == "softmax" else result.exp().sum(axis)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_options_stand_beside_the_name() -> None:
    assert parse_activation({"name": "LeakyReLU", "negative_slope": 0.2}, "layer 1") == {
        "name": "leakyrelu",
        "negative_slope": 0.2,
    }
    assert parse_activation({"name": "relu"}, "layer 1") == "relu"
    assert activation_name({"name": "elu", "alpha": 2.0}) == "elu"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"negative_slope": 0.2}, "layer 2: the activation {'negative_slope': 0.2} has no name"),
        (
            {"name": "leakyrelu", "slope": 0.2},
            "layer 2 'leakyrelu': there is no argument 'slope'. Known names: negative_slope.",
        ),
        ({"name": "relu", "slope": 0.2}, "layer 2 'relu': there is no argument 'slope'. It takes none."),
        ({"name": "celu", "alpha": 0}, "layer 2 'celu': alpha=0 was given; a number above 0 is expected."),
        ({"name": "gelu", "approximate": "sin"}, "approximate='sin' was given; 'none' or 'tanh' is expected."),
        ({"name": "elu", "alpha": float("nan")}, "alpha=nan was given; a number is expected."),
        ({"name": "softmax", "dim": 1.0}, "dim=1.0 was given; a whole number or None is expected."),
    ],
)
def test_a_wrong_option_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        parse_activation(given, "layer 2")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "glu"}, "layer 1 'glu' does not fit its input (N, 5): "),
        (
            {"name": "softmax", "dim": 0},
            "layer 1 'softmax' does not fit its input (N, 5): dim=0 was given, which is the batch",
        ),
        ({"name": "softmax", "dim": 4}, "layer 1 'softmax' does not fit its input (N, 5): "),
        ({"name": "rrelu", "lower": 0.9}, "layer 1 'rrelu' does not fit its input (N, 5): lower=0.9 was given"),
        ({"name": "hardtanh", "min_val": 3}, "min_val=3 was given, which is not below max_val=1.0."),
        ({"name": "prelu", "num_parameters": 4}, "layer 1 'prelu' does not fit its input (N, 5): "),
    ],
)
def test_options_that_do_not_fit_the_input_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        check(NetworkSpec((5,), (LayerSpec.parse(None, {}, given, 1),)))
