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
            "layer 1 'batchnorm1d': (N, features) or (N, channels, length) is expected, but it receives (N, 1, 8, 8).",
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
    with pytest.raises(
        SpecError, match=r"layer 2: size was given, but no layer's name. Name the layer first; .*'relu' takes no"
    ):
        LayerSpec.parse(None, {"size": 3}, "relu", 2)
    with pytest.raises(SpecError, match="layer 2: size were given, but no layer's name"):
        LayerSpec.parse(None, {"size": 3}, None, 2)


def test_an_activation_that_stands_alone_takes_its_options_as_arguments() -> None:
    entry = LayerSpec.parse(None, {"negative_slope": 0.2}, "LeakyReLU", 1)
    assert entry == LayerSpec.parse(None, {}, {"name": "leakyrelu", "negative_slope": 0.2}, 1)
    assert build(NetworkSpec((3,), (entry,)))[0].negative_slope == 0.2


def test_specs_of_before_still_load() -> None:
    old = {
        "input_shape": [4],
        "layers": [{"layer": "linear", "arguments": {"size": [4, 3]}, "activation": "softmax"}],
    }
    network = build(NetworkSpec.from_dict(old))
    assert [type(module).__name__ for module in network] == ["Linear", "Softmax"]
    assert list(network.state_dict()) == ["linear1.weight", "linear1.bias"]


@pytest.mark.parametrize(
    ("shape", "layers", "message"),
    [
        (
            (4, 9),
            [("conv1d", {"size": 6, "kernel_size": 3, "groups": 4})],
            "groups=4 was given, which does not divide the 6",
        ),
        (
            (4, 9),
            [("conv1d", {"size": 8, "kernel_size": 3, "groups": 3})],
            "does not divide the 4 channels that go in.",
        ),
        ((4, 9), [("groupnorm", {"num_groups": 3})], "num_groups=3 was given, which does not divide the 4 channels"),
        ((4, 9), [("conv1d", {"size": 4, "kernel_size": 3, "padding": "same", "stride": 2})], "needs a stride of 1"),
        (
            (4, 9),
            [("conv_transpose1d", {"size": 4, "kernel_size": 3, "output_padding": 1})],
            "must be smaller than the stride",
        ),
        ((4, 9, 9), [("depthwise_conv2d", {"size": (4, 6), "kernel_size": 3})], "Let size[1] be a multiple of 4."),
        ((4, 9, 9), [("maxpool", {"kernel_size": 2, "padding": 2})], "at most half of kernel_size=2 is allowed"),
        ((4, 9, 9), [("maxunpool2d", {})], "there is no maxpool before it to undo"),
        (
            (4, 9, 9),
            [
                ("maxpool", {"kernel_size": 2, "return_indices": True}),
                ("conv2d", {"size": 5, "kernel_size": 1}),
                ("maxunpool2d", {}),
            ],
            "the maxpool that it undoes gave (N, 4, 4, 4), but (N, 5, 4, 4) arrives",
        ),
        (
            (4, 9, 9),
            [("maxpool", {"kernel_size": 2, "return_indices": True}), ("maxunpool2d", {"kernel_size": 3})],
            "kernel_size=3 was given, but the maxpool that it undoes shrank (9, 9) to (4, 4).",
        ),
        ((4, 9), [("zero_pad", {"padding": (1, 1, 1, 1)})], "1 pairs, 2 numbers, are expected"),
        ((4, 9), [("zero_pad", {"padding": (1, 1, 1)})], "one number, or a pair an axis is expected"),
        ((4, 9), [("reflection_pad", {"padding": 9})], "an axis of 9 positions can be mirrored by 8 at most"),
        ((4, 9), [("reshape", {"size": (5, 5)})], "size=(5, 5) holds 25 numbers, but 36 arrive."),
        ((4, 9), [("reshape", {"size": (-1, 5)})], "holds a multiple of 5 numbers, but 36 arrive."),
        ((4, 9), [("reshape", {"size": (-1, -1)})], "-1 once at most"),
        ((4, 9), [("squeeze", {"dim": 1})], "axis 1 is to go, but its length is 4"),
        ((4, 9), [("squeeze", {"dim": 0})], "dim=0 was given, which is the batch axis."),
        (
            (4, 9),
            [("squeeze", {"dim": -3})],
            "dim=-3 was given; an axis from 1 to 2 is expected, as axis 0 is the batch.",
        ),
        ((4,), [("unsqueeze", {})], "a sequence (N, length, features) is expected"),
        ((4, 9), [("permute", {"dims": (1, 0, 2)})], "the batch axis 0 must stay first."),
        ((4, 9), [("permute", {"dims": (0, 1)})], "each of the axes 0 to 2 is expected once."),
        ((4, 9), [("upsample", {})], "exactly one of them is expected."),
        ((4, 9), [("upsample", {"scale_factor": 0.01})], "layer 1 'upsample'"),
        ((4, 9), [("dropout", {"p": 1.5})], "p=1.5 was given; a number from 0 to 1 is expected."),
        ((7,), [("bilinear", {"size": (2, 3, 4)})], "expects 2 + 3 = 5 input features, but it receives 7."),
        ((7,), [("layernorm", {"size": 6})], "layer 1 'layernorm' does not fit its input (N, 7): "),
        ((7,), [("rnn", {"size": 6})], "layer 1 'rnn': (N, length, features) is expected, but it receives (N, 7)."),
        ((7, 5), [("rnn", {"size": (7, 6)})], "size=(7, 6) expects 7 input features, but it receives 5"),
        ((7, 5), [("linear", {"size": (7, 6), "flatten": False})], "expects 7 input features, but it receives 5"),
    ],
)
def test_wrong_numbers_are_told_with_value_and_limit(
    shape: tuple[int, ...], layers: list[tuple[str, dict[str, Any]]], message: str
) -> None:
    entries = [(name, arguments, None) for name, arguments in layers]
    check(spec(shape, *entries[:-1]))
    with pytest.raises(SpecError, match=re.escape(message)) as caught:
        check(spec(shape, *entries))
    assert str(caught.value).startswith(f"layer {len(layers)} {layers[-1][0]!r}")


# ---- tokens, classes and vocabulary ----------------------------------------------------------------------------------


def test_an_embedding_makes_the_input_tokens() -> None:
    complete, shapes = check(spec((7,), ("embedding", {"size": (20, 6)}, None), ("linear", {"size": 3}, None)))
    assert complete.input_dtype == "int64"
    assert shapes == [(7, 6), (3,)]
    network = build(complete)
    assert network.input_dtype == torch.int64
    assert network(torch.zeros(2, 7, dtype=torch.int64)).shape == (2, 3)
    assert check(spec((7,), ("linear", {"size": 3}, None)))[0].input_dtype == "float32"


@pytest.mark.parametrize(
    ("dtype", "layer", "message"),
    [
        ("float32", ("embedding", {"size": (20, 6)}, None), "layer 1 'embedding': tokens are expected"),
        (
            "int64",
            ("linear", {"size": 6}, None),
            "layer 1 'linear': decimal numbers are expected, but it receives tokens (N, 7).",
        ),
    ],
)
def test_tokens_and_numbers_are_told_apart(dtype: Any, layer: Any, message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        check(NetworkSpec((7,), spec(None, layer).layers, input_dtype=dtype))


def test_classes_and_vocabulary_are_filled_in_from_the_network() -> None:
    layers = spec(None, ("embedding", {"size": 6}, None), ("lstm", {"size": 5, "last_step": True}, None)).layers
    complete, shapes = check(NetworkSpec((7,), layers, vocabulary=20))
    assert complete.layers[0].arguments["size"] == (20, 6)
    assert shapes == [(7, 6), (5,)]
    complete, _ = check(NetworkSpec((1, 28, 28), spec(None, ("lenet", {}, None)).layers, num_classes=10))
    assert complete.layers[0].arguments == {"num_classes": 10, "in_shape": (1, 28, 28)}


def test_what_is_missing_waits_for_data_and_is_named_when_building() -> None:
    for layer, words in (("lenet", "needs num_classes"), ("embedding", "needs the size of the vocabulary")):
        shape = (1, 28, 28) if layer == "lenet" else (7,)
        waiting = spec(shape, (layer, {"size": 6} if layer == "embedding" else {}, None))
        assert check(waiting) == (waiting, [])
        with pytest.raises(SpecError, match=words):
            build(waiting)


def test_a_vocabulary_that_is_too_small_is_refused() -> None:
    layers = spec(None, ("embedding", {"size": (10, 6)}, None)).layers
    with pytest.raises(SpecError, match=r"size=\(10, 6\) was given, but the data's vocabulary has 20 tokens"):
        check(NetworkSpec((7,), layers, vocabulary=20))
    assert check(NetworkSpec((7,), layers, vocabulary=9))[1] == [(7, 6)]
    with pytest.raises(SpecError, match="vocabulary=10 was given, but the data's vocabulary has 20 tokens"):
        check(
            NetworkSpec((7,), spec(None, ("em_lstm", {"size": (4, 5), "vocabulary": 10}, None)).layers, vocabulary=20)
        )


@pytest.mark.parametrize(
    "facts", [{"num_classes": 0}, {"vocabulary": 2.5}, {"input_dtype": "int32"}, {"num_classes": True}]
)
def test_impossible_facts_are_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="was given"):
        NetworkSpec(None, **facts)


def test_facts_do_not_make_another_network() -> None:
    given_spec = spec((4,), ("linear", {"size": 3}, None))
    assert NetworkSpec((4,), given_spec.layers, num_classes=3) == given_spec


def test_lengths_that_are_not_known_yet_stay_open() -> None:
    """Also after a flatten, and with sequences of any length."""
    open_spec = spec(
        None,
        ("conv2d", {"size": (1, 6), "kernel_size": 3}, None),
        ("flatten", {}, None),
        ("linear", {"size": (99, 3)}, None),
    )
    assert check(open_spec) == (open_spec, [])
    check(spec(None, ("lstm", {"size": (6, 5)}, None), ("linear", {"size": (99, 3)}, None)))
    for wrong in (
        [("lstm", {"size": (6, 5)}, None), ("lstm", {"size": (6, 5)}, None)],
        [
            ("conv2d", {"size": (1, 6), "kernel_size": 3}, None),
            ("global_avgpool", {}, None),
            ("linear", {"size": (9, 3)}, None),
        ],
        [("embedding", {"size": (20, 6)}, None), ("gru", {"size": (5, 4)}, None)],
        [("conv2d", {"size": (3, 4), "kernel_size": 3, "groups": 2}, None)],
    ):
        with pytest.raises(SpecError, match=f"layer {len(wrong)} "):
            check(spec(None, *wrong))


def test_the_long_form_of_the_action_model_is_the_same_network() -> None:
    """lstm, the last step as a sequence of one, lstm, and back."""
    layers = [
        ("lstm", {"size": (132, 256)}, None),
        ("dropout", {"p": 0.2}, None),
        ("unsqueeze", {}, None),
        ("lstm", {"size": (256, 256)}, None),
        ("squeeze", {}, None),
        ("batchnorm1d", {"size": 256}, None),
        ("linear", {"size": (256, 3)}, "softmax"),
    ]
    complete, shapes = check(spec((30, 132), *layers))
    assert shapes == [(30, 256), (30, 256), (1, 256), (1, 256), (256,), (256,), (3,)]
    network = build(complete).eval()
    first, _, _, second, _, norm, linear, _ = network
    x = torch.rand(4, 30, 132)
    steps, _ = first.core(x)
    state, _ = second.core(steps[:, -1, :].unsqueeze(1))
    torch.testing.assert_close(network(x), linear(norm(state.squeeze(1))).softmax(1))


def test_a_long_sequence_is_checked_without_walking_it() -> None:
    entries = [("lstm", {"size": 8, "num_layers": 2, "bidirectional": True}, None), ("gru_cell", {"size": 4}, None)]
    assert check(spec((100_000, 6), *entries))[1] == [(100_000, 16), (100_000, 4)]
