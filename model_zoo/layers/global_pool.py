"""Pooling over every position (Lin, Chen and Yan, "Network in network", 2014)."""

from __future__ import annotations

import torch

__all__ = ["GlobalAvgPool", "GlobalMaxPool"]


class GlobalAvgPool(torch.nn.Module):
    """(N, C, ...) -> (N, C), the mean of each channel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(2).mean(2)


class GlobalMaxPool(torch.nn.Module):
    """(N, C, ...) -> (N, C), the maximum of each channel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(2).amax(2)
