"""The registry: names without case, suggestions, no second registration; and that each layer is torch's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from model_zoo.layers.adaptive_pool import AdaptiveAvgPool, AdaptiveMaxPool
from runtime.errors import SpecError
from toolkit.builder.layers import LAYERS, find_layer, layer
from toolkit.builder.layers.registry import names_of


@pytest.fixture
def registry() -> Iterator[None]:
    """Leave the registry as it was."""
    before = dict(LAYERS)
    yield
    LAYERS.clear()
    LAYERS.update(before)


@pytest.mark.parametrize("name", ["Conv2D", "conv2d", "CONV2D", "conv_2d"])
def test_layers_are_found_without_case_and_underscores(name: str) -> None:
    assert find_layer(name) is LAYERS["conv2d"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("MaxPool2d", "maxpool"),
        ("avgpool2d", "avgpool"),
        ("interpolate", "upsample"),
        ("ConvTranspose2d", "conv_transpose2d"),
        ("AdaptiveAvgPool2d", "adaptive_avgpool2d"),
        ("ZeroPad2d", "zero_pad"),
        ("LocalResponseNorm", "local_response_norm"),
    ],
)
def test_layers_are_found_by_torchs_names(name: str, found: str) -> None:
    assert find_layer(name).name == found


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("conv2", "There is no layer 'conv2'. Did you mean 'conv2d'"),
        ("Maxpol", "Did you mean 'maxpool'"),
        ("zzzzzz", "Known names: action_model, adaptive_avgpool1d"),
        (7, "There is no layer 7."),
        ("regnetx16gf", "Did you mean 'regnet_x_16gf'"),  # or regnet_x_1_6gf, which is another
    ],
)
def test_a_misspelt_layer_suggests_and_never_guesses(name: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        find_layer(name)
    assert words in str(caught.value)


def test_a_second_registration_of_a_name_raises(registry: None) -> None:
    def Linear() -> torch.nn.Module:  # the same name without case
        return torch.nn.Identity()

    def maxpool2d() -> torch.nn.Module:  # an alias of another layer
        return torch.nn.Identity()

    before = LAYERS["linear"]
    with pytest.raises(SpecError, match="A layer named 'linear' is registered already"):
        layer()(Linear)
    with pytest.raises(SpecError, match="A layer named 'maxpool2d' is registered already"):
        layer()(maxpool2d)
    assert LAYERS["linear"] is before


def test_a_registered_function_is_a_layer_from_then_on(registry: None) -> None:
    @layer(axes=1)
    def double(*, factor: float = 2.0) -> torch.nn.Module:
        return torch.nn.Identity()

    assert find_layer("Double").function is double
    assert find_layer("double").axes == (1,)
    assert find_layer("double").takes == "(N, features)"


def test_every_layer_says_its_shapes_and_is_named_after_its_function() -> None:
    for name, entry in LAYERS.items():
        assert entry.name == name == entry.function.__name__
        assert entry.function.__doc__
        assert "shape" in entry.function.__doc__ or "->" in entry.function.__doc__ or "output" in entry.function.__doc__


def test_no_two_layers_share_a_name() -> None:
    names = [name for entry in LAYERS.values() for name in names_of(entry)]
    assert len(names) == len(set(names))


ARGUMENTS: list[tuple[str, dict[str, Any], torch.nn.Module]] = [
    ("conv1d", {"size": (3, 6), "kernel_size": 3, "dilation": 2}, torch.nn.Conv1d(3, 6, 3, dilation=2)),
    (
        "conv2d",
        {"size": (3, 6), "kernel_size": 3, "stride": 2, "padding": 1, "bias": False, "padding_mode": "reflect"},
        torch.nn.Conv2d(3, 6, 3, 2, 1, bias=False, padding_mode="reflect"),
    ),
    (
        "conv3d",
        {"size": (2, 4), "kernel_size": (1, 2, 3), "padding": "same", "groups": 2},
        torch.nn.Conv3d(2, 4, (1, 2, 3), padding="same", groups=2),
    ),
    (
        "conv_transpose1d",
        {"size": (2, 4), "kernel_size": 3, "stride": 2, "output_padding": 1},
        torch.nn.ConvTranspose1d(2, 4, 3, 2, output_padding=1),
    ),
    (
        "conv_transpose2d",
        {"size": (2, 4), "kernel_size": 3, "stride": (2, 3), "padding": 1, "output_padding": (1, 2), "groups": 2},
        torch.nn.ConvTranspose2d(2, 4, 3, (2, 3), 1, (1, 2), 2),
    ),
    (
        "conv_transpose3d",
        {"size": (2, 4), "kernel_size": 3, "dilation": 2, "output_padding": 1},
        torch.nn.ConvTranspose3d(2, 4, 3, dilation=2, output_padding=1),
    ),
    ("depthwise_conv2d", {"size": 4, "kernel_size": 3}, torch.nn.Conv2d(4, 4, 3, groups=4)),
    ("depthwise_conv2d", {"size": (4, 12), "kernel_size": 3}, torch.nn.Conv2d(4, 12, 3, groups=4)),
    ("maxpool1d", {"kernel_size": 3, "return_indices": True}, torch.nn.MaxPool1d(3, return_indices=True)),
    (
        "maxpool",
        {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True},
        torch.nn.MaxPool2d(3, 2, 1, 2, ceil_mode=True),
    ),
    ("maxpool3d", {"kernel_size": (1, 2, 3)}, torch.nn.MaxPool3d((1, 2, 3))),
    ("avgpool1d", {"kernel_size": 2, "stride": 1, "ceil_mode": True}, torch.nn.AvgPool1d(2, 1, ceil_mode=True)),
    ("avgpool", {"kernel_size": 2, "stride": 1}, torch.nn.AvgPool2d(2, 1)),
    (
        "avgpool3d",
        {"kernel_size": 2, "padding": 1, "count_include_pad": False},
        torch.nn.AvgPool3d(2, padding=1, count_include_pad=False),
    ),
    ("linear", {"size": (4, 2), "bias": False}, torch.nn.Linear(4, 2, bias=False)),
    ("flatten", {"start_dim": 2, "end_dim": 3}, torch.nn.Flatten(2, 3)),
    ("upsample", {"size": (4, 5), "mode": "bilinear"}, torch.nn.Upsample((4, 5), mode="bilinear")),
    ("upsample", {"scale_factor": 1.5}, torch.nn.Upsample(scale_factor=1.5)),
    ("identity", {}, torch.nn.Identity()),
    ("dropout", {"p": 0.25}, torch.nn.Dropout(0.25)),
    ("dropout1d", {"p": 0.25}, torch.nn.Dropout1d(0.25)),
    ("dropout2d", {"p": 0.25}, torch.nn.Dropout2d(0.25)),
    ("dropout3d", {"p": 0.25}, torch.nn.Dropout3d(0.25)),
    ("alpha_dropout", {"p": 0.25}, torch.nn.AlphaDropout(0.25)),
    ("batchnorm1d", {"size": 3, "momentum": None}, torch.nn.BatchNorm1d(3, momentum=None)),
    ("batchnorm2d", {"size": 3, "eps": 1e-3, "momentum": 0.2}, torch.nn.BatchNorm2d(3, 1e-3, 0.2)),
    (
        "batchnorm3d",
        {"size": 3, "affine": False, "track_running_stats": False},
        torch.nn.BatchNorm3d(3, affine=False, track_running_stats=False),
    ),
    ("layernorm", {"in_shape": (4, 6)}, torch.nn.LayerNorm(6)),
    ("layernorm", {"in_shape": (4, 6, 7)}, torch.nn.LayerNorm((4, 6, 7))),
    ("layernorm", {"in_shape": (4, 6, 7), "size": 7, "bias": False}, torch.nn.LayerNorm(7, bias=False)),
    ("groupnorm", {"num_groups": 2, "size": 6}, torch.nn.GroupNorm(2, 6)),
    ("instancenorm1d", {"size": 3, "affine": True}, torch.nn.InstanceNorm1d(3, affine=True)),
    ("instancenorm2d", {"size": 3, "track_running_stats": True}, torch.nn.InstanceNorm2d(3, track_running_stats=True)),
    ("instancenorm3d", {"size": 3}, torch.nn.InstanceNorm3d(3)),
    ("local_response_norm", {"size": 3, "k": 2.0}, torch.nn.LocalResponseNorm(3, k=2.0)),
]


@pytest.mark.parametrize(("name", "arguments", "expected"), ARGUMENTS, ids=[entry[0] for entry in ARGUMENTS])
def test_a_layer_is_torchs_own_with_the_same_arguments(
    name: str, arguments: dict[str, Any], expected: torch.nn.Module
) -> None:
    assert repr(LAYERS[name].function(**arguments)) == repr(expected)


X1, X2, X3 = torch.randn(2, 4, 11), torch.randn(2, 4, 8, 10), torch.randn(2, 4, 5, 6, 7)

COMPUTED: list[tuple[str, dict[str, Any], torch.Tensor, torch.nn.Module]] = [
    ("adaptive_avgpool1d", {"output_size": 4}, X1, torch.nn.AdaptiveAvgPool1d(4)),
    ("adaptive_avgpool2d", {"output_size": (None, 3)}, X2, torch.nn.AdaptiveAvgPool2d((None, 3))),
    ("adaptive_avgpool3d", {"output_size": 2}, X3, torch.nn.AdaptiveAvgPool3d(2)),
    ("adaptive_maxpool1d", {"output_size": 4}, X1, torch.nn.AdaptiveMaxPool1d(4)),
    ("adaptive_maxpool2d", {"output_size": (5, 3)}, X2, torch.nn.AdaptiveMaxPool2d((5, 3))),
    ("adaptive_maxpool3d", {"output_size": (2, 3, None)}, X3, torch.nn.AdaptiveMaxPool3d((2, 3, None))),
    ("zero_pad", {"padding": 2}, X1, torch.nn.ZeroPad1d(2)),
    ("zero_pad", {"padding": (1, 2, 3, 4)}, X2, torch.nn.ZeroPad2d((1, 2, 3, 4))),
    ("constant_pad", {"padding": 1, "value": 7.0}, X3, torch.nn.ConstantPad3d(1, 7.0)),
    ("reflection_pad", {"padding": (1, 2)}, X1, torch.nn.ReflectionPad1d((1, 2))),
    ("reflection_pad", {"padding": 3}, X2, torch.nn.ReflectionPad2d(3)),
    ("replication_pad", {"padding": (1, 2, 3, 4, 5, 6)}, X3, torch.nn.ReplicationPad3d((1, 2, 3, 4, 5, 6))),
    ("transpose", {"dim0": 1, "dim1": -1}, X3, torch.nn.Flatten(1, 1)),
]


@pytest.mark.parametrize(("name", "arguments", "x", "expected"), COMPUTED, ids=[entry[0] for entry in COMPUTED])
def test_a_layer_computes_what_torchs_own_does(
    name: str, arguments: dict[str, Any], x: torch.Tensor, expected: torch.nn.Module
) -> None:
    result = LAYERS[name].function(**arguments)(x)
    assert torch.equal(result, x.transpose(1, -1) if name == "transpose" else expected(x))


@pytest.mark.parametrize("kind", [AdaptiveAvgPool, AdaptiveMaxPool])
def test_adaptive_pools_say_the_same_in_a_graph(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = kind((3, 7), 2)
    expected = module(X2)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    torch.testing.assert_close(module(X2), expected)


def test_bilinear_is_torchs_of_the_two_parts() -> None:
    module = LAYERS["bilinear"].function(size=(3, 4, 5))
    x = torch.randn(6, 2, 7)
    expected = torch.nn.functional.bilinear(
        x[..., :3].contiguous(), x[..., 3:].contiguous(), module.weight, module.bias
    )
    torch.testing.assert_close(module(x), expected)


def test_a_separable_convolution_is_two() -> None:
    module = LAYERS["separable_conv2d"].function(size=(4, 6), kernel_size=3, padding=1, multiplier=2)
    weight = torch.einsum("oiyx,imkl->omkl", module.pointwise.weight.reshape(6, 8, 1, 1), module.depthwise.weight)
    assert module.depthwise.bias is None
    assert weight.shape == (6, 1, 3, 3)
    assert module(X2).shape == (2, 6, 8, 10)


def test_squeeze_and_unsqueeze_take_the_last_step_and_give_it_back() -> None:
    x = torch.randn(3, 5, 4)
    last = LAYERS["unsqueeze"].function()(x)
    assert torch.equal(last, x[:, -1:])
    assert torch.equal(LAYERS["squeeze"].function()(last), x[:, -1])
    assert torch.equal(LAYERS["squeeze"].function()(x), x)
    assert torch.equal(LAYERS["unsqueeze"].function(dim=-1)(x), x[..., None])
    assert torch.equal(LAYERS["squeeze"].function(dim=-1)(x[..., None]), x)


def test_reshape_without_a_size_flattens() -> None:
    x = torch.randn(3, 5, 4)
    assert torch.equal(LAYERS["reshape"].function()(x), x.flatten(1))
    assert LAYERS["reshape"].function(size=(2, -1))(x).shape == (3, 2, 10)
