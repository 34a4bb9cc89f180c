"""scaled_dot_product_attention over any number of leading axes, with masks and grouped heads; the exporter knows (N, heads, L, E) only.

A query that no key is open to gets zeros, as in torch; a softmax over nothing would be other numbers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from exporters.tracing.forms.functions import function_form, python_form

__all__ = ["attention"]

_ordinary = functional.scaled_dot_product_attention


# by its name too: torch's own multi_head_attention_forward calls it where no function mode looks
@python_form("torch.nn.functional", "scaled_dot_product_attention")
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

    def run(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        with torch._C.DisableTorchFunction():  # or this form would be asked again
            return _ordinary(query, key, value, mask, dropout_p, is_causal, scale=scale)

    if enable_gqa:
        key, value = (_repeated(part, query.shape[-3]) for part in (key, value))
    leading = query.shape[:-2]
    if query.ndim == 4 and attn_mask is None:
        return run(query, key, value, None)
    if any(part.ndim != query.ndim for part in (key, value)):
        with torch._C.DisableTorchFunction():
            return _ordinary(query, key, value, attn_mask, dropout_p, is_causal, scale=scale)
    if query.ndim == 4:
        result = run(query, key, value, attn_mask)
    else:
        mask = attn_mask
        if mask is not None and mask.ndim > 2:
            # (..., L, S) -> one leading axis and one head, as the others get them
            mask = mask.expand(*leading, *mask.shape[-2:]).reshape(-1, 1, *mask.shape[-2:])
        flat = [part.reshape(-1, 1, *part.shape[-2:]) for part in (query, key, value)]
        result = run(flat[0], flat[1], flat[2], mask).reshape(*leading, query.shape[-2], value.shape[-1])
    if attn_mask is None:
        return result
    # With a mask the result lies in memory another way once the exporter has taken the operator apart, and a view of it
    # that was possible while tracing no longer is; a copy lies as it is written.
    return result.masked_fill(_is_empty(attn_mask), 0.0).clone(memory_format=torch.contiguous_format)


def _is_empty(mask: torch.Tensor) -> torch.Tensor:
    """True where no key is open to a query: mask (..., L, S), True or above -inf where one is -> (..., L, 1)."""
    is_open = mask if mask.dtype == torch.bool else mask != -torch.inf
    return ~is_open.any(-1, keepdim=True)


def _repeated(part: torch.Tensor, heads: Any) -> torch.Tensor:
    """Each of the heads of keys or values, (..., H, S, E) -> (..., heads, S, E), for the queries' heads that share it."""
    own = part.shape[-3]
    if own == heads:
        return part
    *leading, _, length, width = part.shape
    repeated = part.unsqueeze(-3).expand(*leading, own, heads // own, length, width)
    return repeated.reshape(*leading, heads, length, width)
