"""Self-attention layers. Under a mask no real step attends to a padded one."""

from __future__ import annotations

from typing import Literal

import torch

from model_zoo import MultiheadAttention, TransformerEncoder
from toolkit.builder.arguments import Probability
from toolkit.builder.layers.registry import layer

__all__ = ["multihead_attention", "transformer_encoder"]


@layer(in_axis=-1, axes=2)
def multihead_attention(
    *, size: int | None = None, num_heads: int, dropout: Probability = 0.0, causal: bool = False, bias: bool = True
) -> torch.nn.Module:
    """(N, L, size) -> the same shape: self-attention in num_heads parts of size / num_heads features."""
    assert size is not None  # the builder has filled it in
    return MultiheadAttention(size, num_heads, dropout=dropout, causal=causal, bias=bias)


@layer(in_axis=-1, axes=2)
def transformer_encoder(
    *,
    in_shape: tuple[int, int],
    size: int | None = None,
    num_heads: int,
    num_layers: int = 1,
    dim_feedforward: int | None = None,
    dropout: Probability = 0.1,
    activation: Literal["relu", "gelu"] = "relu",
    norm_first: bool = False,
    positional: Literal["sinusoidal", "learned", "none"] = "sinusoidal",
    causal: bool = False,
) -> torch.nn.Module:
    """(N, L, size) -> the same shape: positions, then attention and two linear layers, dim_feedforward (4 * size) wide."""
    assert size is not None  # the builder has filled it in
    return TransformerEncoder(
        size,
        num_heads,
        num_layers,
        4 * size if dim_feedforward is None else dim_feedforward,
        dropout=dropout,
        activation=activation,
        norm_first=norm_first,
        positional=positional,
        causal=causal,
        length=in_shape[0],
    )
