"""The spec: what is inferred, which mismatch is reported where, and that JSON keeps it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import SpecError
from toolkit.builder.spec import LayerSpec, NetworkSpec, build, check, read_shape


def spec(shape: tuple[int, ...] | None, *layers: tuple[str | None, dict[str, Any], str | None]) -> NetworkSpec:
    return NetworkSpec(
        shape, tuple(LayerSpec.parse(name, arguments, act, n) for n, (name, arguments, act) in enumerate(layers, 1))
    )


CONVOLUTIONAL = (
    ("Conv2D", {"size": (1, 10), "kernel_size": (5, 5)}, "ReLU"),
    ("MaxPool", {"kernel_size": (2, 2)}, None),
    ("conv2d", {"size": (10, 20), "kernel_size": (5, 5)}, "relu"),
    ("AvgPool", {"kernel_size": (2, 2)}, None),
    ("LINEAR", {"size": (80, 10)}, "ReLU"),
    ("linear", {"size": (10, 2)}, "Softmax"),
)
DENSE = (
    ("Linear", {"size": (4, 10)}, "ReLU"),
    ("linear", {"size": (10, 5)}, "relu"),
    ("LINEAR", {"size": (5, 3)}, "softmax"),
)


def test_the_convolutional_network_of_the_design_has_the_shapes_counted_by_hand() -> None:
    _, shapes = check(spec((1, 20, 20), *CONVOLUTIONAL))
    assert shapes == [(10, 16, 16), (10, 8, 8), (20, 4, 4), (20, 2, 2), (10,), (2,)]
    network = build(spec((1, 20, 20), *CONVOLUTIONAL))
    assert network(torch.rand(3, 1, 20, 20)).shape == (3, 2)
    assert sum(p.numel() for p in network.parameters()) == (25 * 10 + 10) + (250 * 20 + 20) + 810 + 22


def test_the_dense_network_of_the_design_needs_no_input_shape() -> None:
    complete, shapes = check(spec(None, *DENSE))
    assert complete.input_shape == (4,)
    assert shapes == [(10,), (5,), (3,)]
    torch.testing.assert_close(build(spec(None, *DENSE))(torch.rand(6, 4)).sum(1), torch.ones(6))


def test_one_number_for_size_infers_what_comes_in() -> None:
    complete, _ = check(
        spec(
            (3, 8, 8),
            ("conv2d", {"size": 6, "kernel_size": 3}, None),
            ("batchnorm2d", {}, None),
            ("linear", {"size": 10}, None),
            ("batchnorm1d", {}, None),
            ("linear", {"size": 4}, None),
        )
    )
    assert [layer.arguments["size"] for layer in complete.layers] == [(3, 6), 6, (216, 10), 10, (10, 4)]


def test_an_activation_may_stand_alone() -> None:
    network = build(spec((4,), ("linear", {"size": 3}, None), (None, {}, "Tanh")))
    assert [type(module).__name__ for module in network] == ["Linear", "Tanh"]


@pytest.mark.parametrize(
    ("shape", "layers", "message"),
    [
        (
            (1, 8, 8),
            [
                ("conv2d", {"size": (1, 10), "kernel_size": 1}, None),
                ("maxpool", {"kernel_size": 2}, None),
                ("linear", {"size": (90, 10)}, None),
            ],
            "layer 3 'linear': size=(90, 10) expects 90 input features, but it receives 160 (input shape (N, 10, 4, 4)).",
        ),
        (
            (3, 8, 8),
            [("Conv2D", {"size": (1, 6), "kernel_size": 3}, None)],
            "layer 1 'conv2d': size=(1, 6) expects 1 input channels, but it receives 3 (input shape (N, 3, 8, 8)).",
        ),
        (
            (3, 8, 8),
            [("batchnorm2d", {"size": 4}, None)],
            "layer 1 'batchnorm2d': size=4 expects 4 input channels, but it receives 3 (input shape (N, 3, 8, 8)).",
        ),
        (
            (5,),
            [("conv2d", {"size": 6, "kernel_size": 3}, None)],
            "layer 1 'conv2d': (N, channels, height, width) is expected, but it receives (N, 5).",
        ),
        (
            (1, 8, 8),
            [("batchnorm1d", {}, None)],
            "layer 1 'batchnorm1d': (N, features) is expected, but it receives (N, 1, 8, 8).",
        ),
        (
            (1, 4, 4),
            [("conv2d", {"size": 2, "kernel_size": 5}, None)],
            "layer 1 'conv2d' does not fit its input (N, 1, 4, 4): ",
        ),
        (
            (1, 8, 8),
            [("lenet", {"num_classes": 10}, None)],
            "layer 1 'lenet' does not fit its input (N, 1, 8, 8): LeNet takes pictures of at least 12 x 12 pixels, got 8 x 8.",
        ),
        (
            (1, 16, 16),
            [("lenet", {"num_classes": 10, "in_shape": (3, 32, 32)}, None)],
            "layer 1 'lenet': in_shape=(3, 32, 32) was given, but it receives (N, 1, 16, 16). Leave in_shape out",
        ),
        (
            None,
            [("linear", {"size": (4, 10)}, None), ("linear", {"size": (9, 3)}, None)],
            "layer 2 'linear': size=(9, 3) expects 9 input features, but it receives 10 (input shape (N, 10)).",
        ),
        (
            None,  # the size of the pictures is open, the number of channels is not
            [
                ("conv2d", {"size": (1, 6), "kernel_size": 3}, None),
                ("conv2d", {"size": (5, 8), "kernel_size": 3}, None),
            ],
            "layer 2 'conv2d': size=(5, 8) expects 5 input channels, but it receives 6.",
        ),
    ],
)
def test_the_first_mismatch_is_reported_with_its_layer(
    shape: tuple[int, ...] | None, layers: list[tuple[str, dict[str, Any], None]], message: str
) -> None:
    check(spec(shape, *layers[:-1]))  # what comes before it fits
    with pytest.raises(SpecError, match=re.escape(message)):
        check(spec(shape, *layers))


def test_what_depends_on_an_unknown_size_is_left_open() -> None:
    open_spec = spec(None, ("conv2d", {"size": (1, 6), "kernel_size": 3}, None), ("linear", {"size": (99, 3)}, None))
    assert check(open_spec) == (open_spec, [])
    with pytest.raises(SpecError, match="The shape of the network's input is not known yet"):
        build(open_spec)


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 0},
        {"stride": 0},
        {"dilation": 0},
        {"groups": 0},
        {"groups": 5},
        {"padding": -1},
        {"padding": "sam"},
        {"size": 0},
        {"size": 10**20},
        {"stride": 10**30},
        {"padding": 10**16},
    ],
)
def test_impossible_convolutions_are_refused_when_they_are_added(arguments: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="layer 1 'conv2d'"):
        check(spec((1, 8, 8), ("conv2d", {"size": 4, "kernel_size": 3, **arguments}, None)))


pairs = st.integers(1, 3) | st.tuples(st.integers(1, 3), st.integers(1, 3))
layer_entries = st.one_of(
    st.tuples(
        st.just("conv2d"),
        st.fixed_dictionaries(
            {"size": st.integers(1, 5), "kernel_size": pairs},
            optional={
                "stride": pairs,
                "padding": st.integers(0, 2),
                "dilation": st.integers(1, 2),
                "bias": st.booleans(),
            },
        ),
    ),
    st.tuples(
        st.sampled_from(["maxpool", "avgpool"]),
        st.fixed_dictionaries({"kernel_size": pairs}, optional={"stride": pairs}),
    ),
    st.tuples(st.just("linear"), st.fixed_dictionaries({"size": st.integers(1, 6)}, optional={"bias": st.booleans()})),
    st.tuples(st.sampled_from(["flatten", "batchnorm1d", "batchnorm2d"]), st.just({})),
    st.tuples(st.just("dropout"), st.fixed_dictionaries({"p": st.floats(0, 1)})),
    st.tuples(st.just("mlp"), st.fixed_dictionaries({"out_features": st.integers(1, 4)})),
)
activations = st.sampled_from([None, "relu", "Tanh", "gelu", "softmax"])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    shape=st.one_of(st.tuples(st.integers(1, 6)), st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))),
    entries=st.lists(st.tuples(layer_entries, activations), min_size=1, max_size=6),
)
def test_inferred_shapes_are_the_real_ones_and_json_keeps_the_network(
    shape: tuple[int, ...], entries: list[Any]
) -> None:
    stack: list[tuple[str | None, dict[str, Any], str | None]] = []
    for (name, arguments), activation in entries:
        try:
            check(spec(shape, *stack, (name, arguments, activation)))
        except SpecError:
            continue  # refused when it is added; the next one may fit
        stack.append((name, arguments, activation))
    complete, shapes = check(spec(shape, *stack))
    torch.manual_seed(0)
    network = build(complete).eval()
    x = torch.rand(2, *shape)
    with torch.no_grad():
        result = network(x)
    assert tuple(result.shape[1:]) == (shapes[-1] if shapes else shape)

    again = NetworkSpec.from_dict(json.loads(json.dumps(complete.to_dict())))
    assert again == complete
    torch.manual_seed(0)
    rebuilt = build(again).eval()
    assert list(rebuilt.state_dict()) == list(network.state_dict())
    with torch.no_grad():
        assert torch.equal(rebuilt(x), result) or bool(result.isnan().any())


def test_as_given_and_completed_specs_build_the_same_weights() -> None:
    given_spec = spec((1, 20, 20), *CONVOLUTIONAL)
    torch.manual_seed(3)
    first = build(given_spec)
    torch.manual_seed(3)
    second = build(check(given_spec)[0])
    for one, other in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_checking_a_spec_leaves_the_random_state_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    check(spec((1, 20, 20), *CONVOLUTIONAL))
    assert torch.equal(torch.rand(3), expected)


def test_sixty_layers_keep_every_one() -> None:
    """'relu6' at 1 and 'relu' at 61 must not share the name 'relu61'."""
    network = build(spec((4,), (None, {}, "relu6"), *[(None, {}, "tanh")] * 59, (None, {}, "relu")))
    assert [type(module).__name__ for module in network] == ["ReLU6", *["Tanh"] * 59, "ReLU"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "layers",
        {},
        {"input_shape": [4]},
        {"input_shape": None, "layers": 5},
        {"input_shape": None, "layers": [5]},
        {"input_shape": None, "layers": [{"arguments": {}}]},
        {"input_shape": None, "layers": [{"layer": 5}]},
        {"input_shape": None, "layers": [{"layer": "linear", "arguments": [1]}]},
        {"input_shape": None, "layers": [{"layer": "linear", "arguments": None}]},
        {"input_shape": None, "layers": [{"layer": "linear", "arguments": {"size": 3}, "activation": 4}]},
        {"input_shape": 5, "layers": []},
        {"input_shape": "28", "layers": []},
        {"input_shape": [1, -28], "layers": []},
        {"input_shape": [1.5], "layers": []},
        {"input_shape": [], "layers": []},
    ],
)
def test_a_malformed_description_is_a_spec_error(value: Any) -> None:
    with pytest.raises(SpecError):
        NetworkSpec.from_dict(value)


@pytest.mark.parametrize("shape", [7, "abc", (), (0,), (1, 2.5), None, {1: 2}])
def test_an_input_shape_that_is_none_is_refused(shape: Any) -> None:
    with pytest.raises(SpecError, match=r"such as \(1, 28, 28\)"):
        read_shape(shape)


def test_arguments_without_a_layer_are_refused() -> None:
    with pytest.raises(SpecError, match="layer 2: size were given, but no layer's name"):
        LayerSpec.parse(None, {"size": 3}, "relu", 2)
