"""Attention by name: shapes, options, and the mask of an embedding before it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch

from runtime.errors import SpecError
from toolkit.builder.spec import LayerSpec, NetworkSpec, build, check


def spec(shape: tuple[int, ...], *layers: tuple[str, dict[str, Any]], **rest: Any) -> NetworkSpec:
    entries = (LayerSpec.parse(name, arguments, None, place) for place, (name, arguments) in enumerate(layers, start=1))
    return NetworkSpec(shape, tuple(entries), **rest)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("multihead_attention", {"num_heads": 2}),
        ("MultiheadAttention", {"size": 6, "num_heads": 3, "dropout": 0.1, "causal": True, "bias": False}),
        ("transformer_encoder", {"num_heads": 2}),
        ("TransformerEncoder", {"num_heads": 1, "num_layers": 2, "dim_feedforward": 5, "positional": "learned"}),
        ("transformer_encoder", {"num_heads": 2, "activation": "gelu", "norm_first": True, "positional": "none"}),
    ],
)
def test_the_shape_stays_and_json_keeps_the_network(name: str, arguments: dict[str, Any]) -> None:
    full, shapes = check(spec((7, 6), (name, arguments)))
    assert shapes == [(7, 6)]
    assert full.layers[0].arguments["size"] == 6
    torch.manual_seed(0)
    network = build(full).eval()
    torch.manual_seed(0)
    again = build(NetworkSpec.from_dict(json.loads(json.dumps(full.to_dict())))).eval()
    x = torch.randn(2, 7, 6)
    assert network(x).shape == (2, 7, 6)
    assert list(again.state_dict()) == list(network.state_dict())
    assert torch.equal(again(x), network(x))
    assert torch.equal(copy.deepcopy(network)(x), network(x))


def test_the_feed_forward_part_is_four_times_as_wide_unless_told() -> None:
    for arguments, width in (({}, 24), ({"dim_feedforward": 5}, 5)):
        network = build(spec((7, 6), ("transformer_encoder", {"num_heads": 2, **arguments})))
        widths = [module.out_features for module in network.modules() if isinstance(module, torch.nn.Linear)]
        assert width in widths


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("multihead_attention", {"num_heads": 4}, "The size (=6) must be divisible by num_heads (=4)"),
        ("multihead_attention", {}, "the argument num_heads is missing"),
        ("multihead_attention", {"num_heads": 2, "size": 8}, "size=8 expects 8 input features, but it receives 6"),
        ("transformer_encoder", {"num_heads": 4}, "The size (=6) must be divisible by num_heads (=4)"),
        ("transformer_encoder", {"num_heads": 2, "positional": "rotary"}, "'sinusoidal' or 'learned' or 'none'"),
        ("transformer_encoder", {"num_heads": 2, "dropout": -0.1}, "dropout=-0.1 was given"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(name: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        check(spec((7, 6), (name, arguments)))
    assert words in str(caught.value)
    assert f"layer 1 {name!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("multihead_attention", {"num_heads": 2}),
        ("transformer_encoder", {"num_heads": 2, "num_layers": 2}),
        ("transformer_encoder", {"num_heads": 2, "norm_first": True, "causal": True, "positional": "learned"}),
    ],
)
def test_padding_behind_an_embedding_changes_nothing(name: str, arguments: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layers = (
        ("embedding", {"size": (9, 4), "padding_idx": 0}),
        (name, arguments),
        ("lstm", {"size": 3, "last_step": True}),
    )
    network = build(spec((6,), *layers, input_dtype="int64")).eval()
    padded = torch.tensor([[3, 1, 4, 0, 0, 0]])
    torch.testing.assert_close(network(padded), network(padded[:, :3]), rtol=0, atol=1e-6)
