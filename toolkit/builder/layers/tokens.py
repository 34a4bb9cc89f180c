"""Layers that make a padding mask: token embedding, and masking of steps by value."""

from __future__ import annotations

import torch

from model_zoo.layers.token_embedding import Masking, TokenEmbedding
from toolkit.builder.arguments import Axis
from toolkit.builder.layers.registry import layer
from toolkit.builder.layers.sizes import Size, pair

__all__ = ["embedding", "masking"]


@layer(in_axis="vocabulary", axes=1, dtype="int64")
def embedding(*, size: Size, padding_idx: Axis | None = None, sparse: bool = False) -> torch.nn.Module:
    """(N, L) tokens -> (N, L, size[1]): a learnt vector for each of size[0] tokens; tokens that equal padding_idx are padding."""
    tokens, features = pair(size)
    if padding_idx is not None and not -tokens <= padding_idx < tokens:
        raise ValueError(f"padding_idx={padding_idx} was given, but the tokens are 0 to {tokens - 1}.")
    return TokenEmbedding(tokens, features, padding_idx=padding_idx, sparse=sparse)


@layer(axes=2, sequence=True)
def masking(*, value: float = 0.0) -> torch.nn.Module:
    """(N, L, F) -> the same shape; steps whose features all equal `value` are padding for the layers behind, and become zeros."""
    return Masking(value)
