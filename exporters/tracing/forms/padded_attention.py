"""nn.MultiheadAttention and nn.TransformerEncoderLayer with masks: what torch's fast paths give where no key is open to a query.

In evaluation torch computes self-attention by fused operators, whose softmax over nothing is NaN; its ordinary operators give 0.
"""

from __future__ import annotations

import torch

from exporters.tracing.forms.registry import form

__all__ = ["fast_attention", "fast_encoder_layer"]


class _FastAttention(torch.nn.MultiheadAttention):
    """Self-attention, with NaN at positions without an open key where torch takes its fast path."""

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        need_weights: bool = True,
        attn_mask: torch.Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As torch.nn.MultiheadAttention."""
        result, weights = super().forward(
            query, key, value, key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal
        )
        masks = [mask for mask in (key_padding_mask, attn_mask) if mask is not None]
        fast = query.dim() == 3 and query is key and key is value and not any(map(torch.is_floating_point, masks))
        return _nan_where_empty(result, key_padding_mask, attn_mask) if fast else result, weights


class _FastEncoderLayer(torch.nn.TransformerEncoderLayer):
    """Encoder layer, with NaN at positions without an open key: behind the attention every position is by itself."""

    def forward(
        self,
        src: torch.Tensor,
        src_mask: torch.Tensor | None = None,
        src_key_padding_mask: torch.Tensor | None = None,
        is_causal: bool = False,
    ) -> torch.Tensor:
        """As torch.nn.TransformerEncoderLayer."""
        result = super().forward(src, src_mask, src_key_padding_mask, is_causal)
        return _nan_where_empty(result, src_key_padding_mask, src_mask) if src.dim() == 3 else result


def _as(kind: type[torch.nn.Module], module: torch.nn.Module) -> torch.nn.Module:
    """The module with the forward of `kind`: same weights, parts and attributes."""
    made: torch.nn.Module = object.__new__(type(kind.__name__, (kind, type(module)), {}))
    vars(made).update(vars(module))
    return made


def _nan_where_empty(
    result: torch.Tensor, key_padding_mask: torch.Tensor | None, attn_mask: torch.Tensor | None
) -> torch.Tensor:
    """`result` (N, L, E) with NaN where the masks, (N, S) and (L, S) or (N * heads, L, S), leave no key open.

    They are True, or a number other than 0, where a key is closed.
    """
    if key_padding_mask is None and attn_mask is None:
        return result
    rows, length = result.shape[:2]
    closed = torch.zeros((), dtype=torch.bool)
    if key_padding_mask is not None:
        closed = (key_padding_mask != 0)[:, None, None]  # (N, 1, 1, S)
    if attn_mask is not None:
        own = attn_mask != 0
        closed = closed | (own if own.ndim == 2 else own.reshape(rows, -1, length, own.shape[-1]))
        closed = closed if closed.ndim == 4 else closed[None, None]
    empty = closed.all(-1).any(1)  # (N or 1, L or 1)
    return result.masked_fill(empty.unsqueeze(-1), torch.nan)


@form(torch.nn.MultiheadAttention)
def fast_attention(module: torch.nn.MultiheadAttention) -> torch.nn.Module | None:
    """Form of attention for which torch has a fast path; None of other."""
    fast = _has_fast_weights(module) and module.bias_k is None and module.bias_v is None and not module.add_zero_attn
    return _as(_FastAttention, module) if fast else None


@form(torch.nn.TransformerEncoderLayer)
def fast_encoder_layer(module: torch.nn.TransformerEncoderLayer) -> torch.nn.Module | None:
    """Form of an encoder layer for which torch has a fast path; None of other."""
    fast = (
        _has_fast_weights(module.self_attn) and module.activation_relu_or_gelu and module.norm1.eps == module.norm2.eps
    )
    return _as(_FastEncoderLayer, module) if fast else None


def _has_fast_weights(attention: torch.nn.MultiheadAttention) -> bool:
    """Test for what both fast paths ask of an attention."""
    return bool(
        attention.batch_first
        and attention.num_heads % 2 == 0
        and attention.in_proj_weight is not None
        and attention.in_proj_bias is not None
        and attention._qkv_same_embed_dim
    )
