"""Multi-head self-attention (Vaswani et al., "Attention is all you need", 2017, arXiv:1706.03762, section 3.2)."""

from __future__ import annotations

import torch
from torch.nn.functional import scaled_dot_product_attention

__all__ = ["MultiheadAttention"]


class MultiheadAttention(torch.nn.Module):
    """(N, L, size) -> (N, L, size): each step attends to all real steps, or with `causal` to itself and earlier ones.

    The same computation in training and evaluation. torch.nn.MultiheadAttention takes another path in evaluation, with
    other numbers, which the exporter cannot follow. Weights have torch's names, so its state_dict fits.

    Under a mask the outputs of padded steps are zero, and no other step attends to them.

    Args:
        size: features of a step.
        num_heads: number of attention heads, each of size / num_heads features.
        dropout: dropout probability of the attention weights, in training.
        causal: each step attends to itself and earlier steps only.
        bias: learn additive biases.

    Raises:
        ValueError: size is not a multiple of num_heads.
    """

    takes_mask = True
    drops_mask = False

    def __init__(
        self, size: int, num_heads: int, *, dropout: float = 0.0, causal: bool = False, bias: bool = True
    ) -> None:
        super().__init__()
        if size % num_heads:
            raise ValueError(f"The size (={size}) must be divisible by num_heads (={num_heads}).")
        self.num_heads = num_heads
        self.dropout = dropout
        self.causal = causal
        self.in_proj_weight = torch.nn.Parameter(torch.empty(3 * size, size))
        self.in_proj_bias = torch.nn.Parameter(torch.zeros(3 * size)) if bias else None
        self.out_proj = torch.nn.Linear(size, size, bias=bias)
        torch.nn.init.xavier_uniform_(self.in_proj_weight)
        if bias:
            torch.nn.init.zeros_(self.out_proj.bias)

    def extra_repr(self) -> str:
        return f"num_heads={self.num_heads}, dropout={self.dropout}, causal={self.causal}"

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(N, L, size) and a mask (N, L) or None -> (N, L, size)."""
        rows, length, size = x.shape
        projected = torch.nn.functional.linear(x, self.in_proj_weight, self.in_proj_bias)  # (N, L, 3 * size)
        heads = projected.reshape(rows, length, 3, self.num_heads, size // self.num_heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (N, heads, L, size / heads)
        mixed = scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=self._allowed(length, mask, x.device),
            dropout_p=self.dropout if self.training else 0.0,
        )
        result: torch.Tensor = self.out_proj(mixed.transpose(1, 2).reshape(rows, length, size))
        return result if mask is None else result * mask[:, :, None].to(result.dtype)

    def _allowed(self, length: int, mask: torch.Tensor | None, device: torch.device) -> torch.Tensor | None:
        """Attention mask, bool, broadcastable to (N, heads, L, L), True where a step may attend; None where all may."""
        if mask is None and not self.causal:
            return None
        step = torch.arange(length, device=device)
        allowed = step[:, None] >= step if self.causal else None  # (L, L)
        if mask is None:
            return allowed
        keys = mask[:, None, None, :]  # (N, 1, 1, L)
        seen = keys if allowed is None else keys & allowed
        # a padded step attends to itself: a softmax over an empty set is NaN
        return seen | (step[:, None] == step)
