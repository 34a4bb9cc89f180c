"""Positional encodings: a vector for each sequence position or time step, sinusoidal or learned.

Sines and cosines of falling frequencies: Vaswani et al., "Attention is all you need", 2017 (arXiv:1706.03762), section 3.5.
"""

from __future__ import annotations

import math

import torch

__all__ = ["LearnedPositions", "SinusoidalPositions", "sinusoids"]

_LONGEST_WAVE = 10_000.0


def sinusoids(positions: torch.Tensor, features: int) -> torch.Tensor:
    """(...,) positions -> (..., features) float32: sines in the even places, cosines in the odd ones."""
    pairs = torch.arange(0, features, 2, device=positions.device, dtype=torch.float32)  # (ceil(features / 2),)
    angles = positions[..., None].float() * torch.exp(pairs * (-math.log(_LONGEST_WAVE) / features))
    waves = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)
    return waves[..., :features]


class SinusoidalPositions(torch.nn.Module):
    """(N, L, F) -> the same shape, with each step's sinusoids added. Any length; nothing is learnt."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the positions 0..L-1."""
        positions = torch.arange(x.shape[1], device=x.device)
        return x + sinusoids(positions, x.shape[2]).to(x.dtype)


class LearnedPositions(torch.nn.Module):
    """(N, L, F) -> the same shape, with a learnt vector added to each step.

    Args:
        length: the longest sequence.
        features: F.

    Raises:
        ValueError: from forward, when a sequence is longer.
    """

    def __init__(self, length: int, features: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(length, features) * 0.02)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the vectors of the positions 0..L-1."""
        length = self.weight.shape[0]
        if x.shape[1] > length:
            raise ValueError(
                f"Learned positions reach to {length} steps; a sequence of {x.shape[1]} was given. Use sinusoidal ones."
            )
        return x + self.weight[: x.shape[1]]
