"""Every layer: it builds from JSON, its inferred shape is the real one, its weights survive; whatever numbers it is given."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import SpecError
from toolkit.builder.layer_examples import ACTIVATION_EXAMPLES, EXAMPLES, VISION_EXAMPLES
from toolkit.builder.layers import ACTIVATIONS, LAYERS
from toolkit.builder.spec import LayerSpec, NetworkSpec, build, check


def test_every_layer_and_activation_has_an_example() -> None:
    assert {*EXAMPLES, *VISION_EXAMPLES} == {*LAYERS}
    assert not {*EXAMPLES} & {*VISION_EXAMPLES}
    assert set(ACTIVATION_EXAMPLES) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_layer_builds_from_json_with_its_inferred_shape(name: str) -> None:
    example = EXAMPLES[name]
    complete, shapes = check(example.spec(name))
    again = NetworkSpec.from_dict(json.loads(json.dumps(complete.to_dict())))
    assert again == complete
    network = build(again).eval()
    x = example.inputs(3)
    with torch.no_grad():
        result = network(x)
        assert tuple(result.shape) == (3, *shapes[-1])
        assert bool(result.isfinite().all())
        other = build(example.spec(name)).eval()
        other.load_state_dict(network.state_dict())
        if name != "diffusion_model":  # draws its noise
            assert torch.equal(other(x), result)


def entries(axes: int) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Plain layers for (N, C, ...) of so many axes, with arguments that may or may not fit."""
    each = st.integers(1, 3) | st.tuples(*[st.integers(1, 3)] * axes)
    around = st.integers(0, 2) | st.tuples(*[st.integers(0, 2)] * axes)
    sides = st.integers(0, 2) | st.tuples(*[st.integers(0, 2)] * (2 * axes))
    cells = st.integers(1, 4) | st.tuples(*[st.none() | st.integers(1, 4)] * axes)
    pool = {1: "pool1d", 2: "pool", 3: "pool3d"}[axes]
    interpolation = {1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"]}[axes]

    def make(name: str, required: dict[str, Any], **optional: Any) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
        return st.tuples(st.just(name), st.fixed_dictionaries(required, optional=optional))

    window: dict[str, Any] = {"kernel_size": each}
    choices = [
        make(
            f"conv{axes}d",
            {"size": st.integers(1, 4), **window},
            stride=each,
            padding=around | st.sampled_from(["same", "valid"]),
            dilation=each,
            groups=st.integers(1, 2),
            bias=st.booleans(),
            padding_mode=st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
        ),
        make(
            f"conv_transpose{axes}d",
            {"size": st.integers(1, 4), **window},
            stride=each,
            padding=around,
            output_padding=around,
            groups=st.integers(1, 2),
            dilation=each,
        ),
        make(f"max{pool}", window, stride=each, padding=around, dilation=each, ceil_mode=st.booleans()),
        make(f"avg{pool}", window, stride=each, padding=around, ceil_mode=st.booleans()),
        make("global_avgpool", {}),
        make("global_maxpool", {}),
        make("zero_pad", {"padding": sides}),
        make("constant_pad", {"padding": sides}, value=st.floats(-2, 2)),
        make("reflection_pad", {"padding": sides}),
        make("replication_pad", {"padding": sides}),
        make(
            "upsample",
            {},
            size=st.integers(1, 8),
            scale_factor=st.floats(0.3, 2.5) | st.tuples(*[st.floats(0.3, 2.5)] * axes),
            mode=st.sampled_from(["nearest", *interpolation]),
            align_corners=st.booleans(),
        ),
        make(f"batchnorm{axes}d", {}),
        make(f"instancenorm{axes}d", {}, affine=st.booleans()),
        make("groupnorm", {"num_groups": st.integers(1, 3)}),
        make("layernorm", {}, size=st.integers(1, 6)),
        make("local_response_norm", {}, size=st.integers(1, 4)),
        make(f"dropout{axes}d", {}, p=st.floats(0, 1)),
        make("alpha_dropout", {}, p=st.floats(0, 1)),
        make("flatten", {}, start_dim=st.integers(-3, 4), end_dim=st.integers(-3, 4)),
        make("reshape", {}, size=st.lists(st.integers(-1, 6), min_size=1, max_size=3)),
        make("permute", {"dims": st.permutations(range(axes + 2)) | st.permutations(range(axes + 1))}),
        make("transpose", {"dim0": st.integers(-3, 3), "dim1": st.integers(-3, 3)}),
        make("squeeze", {}, dim=st.integers(-3, 4)),
        make("unsqueeze", {}, dim=st.integers(-4, 4)),
        make("linear", {"size": st.integers(1, 5)}, flatten=st.booleans()),
        make("bilinear", {"size": st.tuples(*[st.integers(1, 4)] * 3)}),
        make("identity", {}),
    ]
    if axes == 2:
        choices += [
            make("depthwise_conv2d", window, size=st.integers(1, 6), padding=around),
            make("separable_conv2d", {"size": st.integers(1, 4), **window}, multiplier=st.integers(1, 2)),
        ]
    if axes < 3:
        choices += [
            make(f"max{pool}", {**window, "return_indices": st.just(True)}, stride=each),
            make(f"maxunpool{axes}d", {}, kernel_size=each),
        ]
    wanted = st.integers(1, 4) if axes == 1 else cells
    choices += [make(f"adaptive_{kind}pool{axes}d", {"output_size": wanted}) for kind in ("avg", "max")]
    return st.one_of(choices)


@pytest.mark.slow
@settings(max_examples=50, deadline=None, derandomize=True)
@given(data=st.data(), shape=st.lists(st.integers(1, 7), min_size=2, max_size=4).map(tuple))
def test_inferred_shapes_are_the_real_ones(data: st.DataObject, shape: tuple[int, ...]) -> None:
    """Up to four plain layers in any order: each one is refused with a SpecError when it is added, or runs as inferred."""
    layers: tuple[LayerSpec, ...] = ()
    for _ in range(4):
        name, arguments = data.draw(entries(len(shape) - 1))
        position = len(layers) + 1
        try:
            extended = (*layers, LayerSpec.parse(name, arguments, None, position))
            check(NetworkSpec(shape, extended))
        except SpecError as error:
            assert str(error).startswith(f"layer {position}")
        else:
            layers = extended
    complete, shapes = check(NetworkSpec(shape, layers))
    again = NetworkSpec.from_dict(json.loads(json.dumps(complete.to_dict())))
    assert again == complete
    network = build(again).eval()
    with torch.no_grad():
        result = network(torch.randn(3, *shape))
    assert tuple(result.shape) == (3, *(shapes[-1] if shapes else shape))
