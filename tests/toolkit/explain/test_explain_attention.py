"""What positions attend to."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from runtime.errors import InputError, SpecError
from toolkit.builder.layer_examples import EXAMPLES
from toolkit.builder.spec import build
from toolkit.explain.attention import _attention_weights, attention_maps, attention_png


@pytest.mark.parametrize("name", ["multihead_attention", "transformer_encoder"])
def test_the_builders_attention_gives_a_row_of_shares_for_each_position(name: str) -> None:
    example = EXAMPLES[name]
    torch.manual_seed(0)
    network = build(example.spec(name)).train()
    found = attention_maps(network, example.inputs(1))
    assert found
    for path, weights in found.items():
        assert name in path
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert network.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_torchs_own_attention_by_hand() -> None:
    layer = torch.nn.MultiheadAttention(2, 1, bias=False, batch_first=True)

    class Alone(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = layer

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.attention(x, x, x, None, False)[0]

    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.eye(2).repeat(3, 1))
    x = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    scores = np.array([[1, 0], [0, 4]]) / np.sqrt(2)
    found = attention_maps(Alone(), x)
    np.testing.assert_allclose(found["attention"], [np.exp(scores) / np.exp(scores).sum(1, keepdims=True)], atol=1e-6)


def test_transformer_layers_of_torch_are_seen_through() -> None:
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    network = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    found = attention_maps(network, torch.rand(1, 5, 8))
    assert {name: weights.shape for name, weights in found.items()} == {
        "layers.0.self_attn": (2, 5, 5),
        "layers.1.self_attn": (2, 5, 5),
    }


@pytest.mark.parametrize(
    "options", [{}, {"is_causal": True}, {"mask": "bool"}, {"mask": "float"}, {"scale": 0.3}, {"enable_gqa": True}]
)
def test_the_weights_are_those_inside_of_the_function(options: dict[str, object]) -> None:
    torch.manual_seed(0)
    options = dict(options)
    kind = options.pop("mask", None)
    if kind is not None:
        allowed = torch.rand(5, 5) > 0.3
        allowed[:, 0] = True
        options["attn_mask"] = allowed if kind == "bool" else torch.where(allowed, 0.0, -2.0)
    heads = 2 if options.get("enable_gqa") else 4
    query, key, value = torch.rand(1, 4, 5, 3), torch.rand(1, heads, 5, 3), torch.rand(1, heads, 5, 3)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, **options)  # type: ignore[arg-type]
    weights = _attention_weights(query, key, value, **options)  # type: ignore[arg-type]
    torch.testing.assert_close(weights @ value.repeat_interleave(4 // heads, 1), expected)


@pytest.mark.parametrize("heads", [1, 4, 5])
def test_a_heat_map_for_each_head(heads: int) -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(6), (heads, 6)).astype(np.float32)
    for tokens in (["$a$", "猫", "_", "the", "quick", "brown" * 5], []):
        with Image.open(io.BytesIO(attention_png(weights, tokens, title="$T$"))) as picture:
            assert picture.format == "PNG"
            assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 30
            assert picture.info["Title"] == f"$T$: {heads} heads over 6 positions"


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(SpecError, match="no attention layer"):
        attention_maps(torch.nn.Linear(2, 2), torch.ones(1, 2))
    with pytest.raises(InputError, match="one is looked at"):
        attention_maps(torch.nn.Linear(2, 2), torch.ones(2, 2))
    with pytest.raises(InputError, match=r"\(heads, queries, keys\)"):
        attention_png(np.ones((3, 3)))
