"""Modules that make a padding mask for the layers after them: token embedding, and masking by value."""

from __future__ import annotations

import torch

__all__ = ["Masking", "TokenEmbedding"]


class TokenEmbedding(torch.nn.Embedding):
    """(N, L) int64 -> (N, L, F) float32, as torch.nn.Embedding, with a mask where a padding token is named."""

    def padding_mask(self, tokens: torch.Tensor) -> torch.Tensor | None:
        """(N, L) int64 -> (N, L) bool, True where a token is real; None without a padding token."""
        return None if self.padding_idx is None else tokens != self.padding_idx


class Masking(torch.nn.Module):
    """(N, L, F) -> the same, zero in the steps whose features all equal `value`: they are padding.

    Args:
        value: value of all features of a padded step.
    """

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = value

    def extra_repr(self) -> str:
        return f"value={self.value}"

    def padding_mask(self, x: torch.Tensor) -> torch.Tensor:
        """(N, L, F) -> (N, L) bool, True where a step is real."""
        return (x != self.value).any(dim=-1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.padding_mask(x).unsqueeze(-1).to(x.dtype)
