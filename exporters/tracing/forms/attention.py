"""scaled_dot_product_attention over any number of leading axes, and with a mask; the exporter knows (N, heads, L, E) only."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from exporters.tracing.forms.functions import function_form

__all__ = ["attention"]


@function_form(functional.scaled_dot_product_attention)
def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Scaled dot-product attention as torch's: query (..., L, E), key and value (..., S, E) -> (..., L, E)."""
    parts = (query, key, value)
    axes = query.ndim
    if enable_gqa or axes < 3 or any(part.ndim != axes for part in parts):
        return NotImplemented

    def run(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return functional.scaled_dot_product_attention(query, key, value, mask, dropout_p, is_causal, scale=scale)

    if axes == 4:
        if attn_mask is None:
            return NotImplemented
        # With a mask the result lies in memory another way once the exporter has taken the operator apart, and a view of it
        # that was possible while tracing no longer is; a copy lies as it is written.
        return run(query, key, value, attn_mask).clone(memory_format=torch.contiguous_format)
    if axes == 3:
        if attn_mask is not None and attn_mask.ndim == 3:
            attn_mask = attn_mask.unsqueeze(1)
        one_head = [part.unsqueeze(1) for part in parts]
        return run(one_head[0], one_head[1], one_head[2], attn_mask).squeeze(1)
    leading = query.shape[:-2]
    if any(part.shape[:-2] != leading for part in parts) or (attn_mask is not None and attn_mask.ndim > 2):
        return NotImplemented
    flat = [part.reshape(-1, *part.shape[-3:]) for part in parts]
    return run(flat[0], flat[1], flat[2], attn_mask).reshape(*leading, *query.shape[-2:-1], value.shape[-1])
