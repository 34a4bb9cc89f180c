"""Dropout (Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014) and its kin."""

from __future__ import annotations

import torch

from toolkit.builder.arguments import Probability
from toolkit.builder.layers.registry import layer

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d"]


@layer()
def dropout(*, p: Probability = 0.5) -> torch.nn.Module:
    """The same shape; in training each value is zeroed with probability `p`."""
    return torch.nn.Dropout(p)


@layer(axes=2)
def dropout1d(*, p: Probability = 0.5) -> torch.nn.Module:
    """(N, C, L) -> the same shape; in training whole channels are zeroed with probability `p`."""
    return torch.nn.Dropout1d(p)


@layer(axes=3)
def dropout2d(*, p: Probability = 0.5) -> torch.nn.Module:
    """(N, C, H, W) -> the same shape; in training whole channels are zeroed with probability `p`."""
    return torch.nn.Dropout2d(p)


@layer(axes=4)
def dropout3d(*, p: Probability = 0.5) -> torch.nn.Module:
    """(N, C, D, H, W) -> the same shape; in training whole channels are zeroed with probability `p`."""
    return torch.nn.Dropout3d(p)


@layer()
def alpha_dropout(*, p: Probability = 0.5) -> torch.nn.Module:
    """The same shape; dropout that keeps mean and variance, for SELU (Klambauer et al., 2017)."""
    return torch.nn.AlphaDropout(p)
