"""Transformer encoder (Vaswani et al., "Attention is all you need", 2017, arXiv:1706.03762).

Normalising before each part instead of after it: Xiong et al., "On layer normalization in the transformer architecture",
2020 (arXiv:2002.04745).
"""

from __future__ import annotations

from typing import Literal

import torch

from model_zoo.layers.attention import MultiheadAttention
from model_zoo.layers.positions import LearnedPositions, SinusoidalPositions

__all__ = ["TransformerEncoder", "TransformerEncoderLayer"]


class TransformerEncoderLayer(torch.nn.Module):
    """(N, L, size) -> (N, L, size): self-attention and two linear layers per step, each with a residual connection.

    Parameters have the names of torch.nn.TransformerEncoderLayer, so its state_dict fits.

    Args:
        size: features of a step.
        num_heads: see MultiheadAttention.
        dim_feedforward: features between the two linear layers.
        dropout: dropout probability of the attention weights and after each part, in training.
        activation: between the two linear layers.
        norm_first: normalise before each part; False after it, as the first paper does.
        causal: each step attends to itself and earlier steps only.
    """

    def __init__(
        self,
        size: int,
        num_heads: int,
        dim_feedforward: int = 2048,
        *,
        dropout: float = 0.1,
        activation: Literal["relu", "gelu"] = "relu",
        norm_first: bool = False,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.self_attn = MultiheadAttention(size, num_heads, dropout=dropout, causal=causal)
        self.linear1 = torch.nn.Linear(size, dim_feedforward)
        self.activation = torch.nn.ReLU() if activation == "relu" else torch.nn.GELU()
        self.dropout = torch.nn.Dropout(dropout)
        self.linear2 = torch.nn.Linear(dim_feedforward, size)
        self.norm1 = torch.nn.LayerNorm(size)
        self.norm2 = torch.nn.LayerNorm(size)
        self.dropout1 = torch.nn.Dropout(dropout)
        self.dropout2 = torch.nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(N, L, size) and a mask (N, L) or None -> (N, L, size)."""
        if self.norm_first:
            x = x + self.dropout1(self.self_attn(self.norm1(x), mask))
            x = x + self._each_step(self.norm2(x))
        else:
            x = self.norm1(x + self.dropout1(self.self_attn(x, mask)))
            x = self.norm2(x + self._each_step(x))
        return x

    def _each_step(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))
        return result


class TransformerEncoder(torch.nn.Module):
    """(N, L, size) -> (N, L, size): positional encoding, then stacked encoder layers.

    Under a mask the outputs of padded steps are zero, and they influence no real step.

    Args:
        size: features of a step.
        num_heads: see MultiheadAttention.
        num_layers: number of TransformerEncoderLayer.
        dim_feedforward, dropout, activation, norm_first, causal: see TransformerEncoderLayer. With norm_first one more
            normalisation follows the last layer.
        positional: "sinusoidal", "learned" (up to `length` steps) or "none" (the order of the steps has no effect).
        length: the longest sequence; needed by "learned".

    Raises:
        ValueError: size is not a multiple of num_heads, or learned positions come without a length.
    """

    takes_mask = True
    drops_mask = False

    def __init__(
        self,
        size: int,
        num_heads: int,
        num_layers: int = 1,
        dim_feedforward: int = 2048,
        *,
        dropout: float = 0.1,
        activation: Literal["relu", "gelu"] = "relu",
        norm_first: bool = False,
        positional: Literal["sinusoidal", "learned", "none"] = "sinusoidal",
        causal: bool = False,
        length: int | None = None,
    ) -> None:
        super().__init__()
        self.positions: torch.nn.Module = torch.nn.Identity()
        if positional == "sinusoidal":
            self.positions = SinusoidalPositions()
        elif positional == "learned":
            if length is None:
                raise ValueError("Learned positions need the length of the longest sequence. Give length.")
            self.positions = LearnedPositions(length, size)
        self.dropout = torch.nn.Dropout(dropout)
        self.layers = torch.nn.ModuleList(
            TransformerEncoderLayer(
                size,
                num_heads,
                dim_feedforward,
                dropout=dropout,
                activation=activation,
                norm_first=norm_first,
                causal=causal,
            )
            for _ in range(num_layers)
        )
        self.norm = torch.nn.LayerNorm(size) if norm_first else torch.nn.Identity()

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(N, L, size) and a mask (N, L) or None -> (N, L, size)."""
        x = self.dropout(self.positions(x))
        for layer in self.layers:
            x = layer(x, mask)
        x = self.norm(x)
        return x if mask is None else x * mask[:, :, None].to(x.dtype)
