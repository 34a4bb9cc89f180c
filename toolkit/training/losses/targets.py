"""Targets as a data set has them -> targets as a loss takes them."""

from __future__ import annotations

import torch

__all__ = ["index_lists", "indicators", "signs"]


def indicators(targets: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    """Class indices int64 (B,) -> one-hot (B, K) of the outputs' kind; numbers (B, K) or (B, T) stay as they are."""
    if targets.is_floating_point():
        return targets.to(outputs.dtype)
    return torch.nn.functional.one_hot(targets, outputs.shape[1]).to(outputs.dtype)


def signs(targets: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    """Class indices (B,) or labels of 0 and 1 (B, K) -> +1 and -1 (B, K)."""
    return 2 * indicators(targets, outputs) - 1


def index_lists(targets: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    """Class indices (B,) or labels of 0 and 1 (B, K) -> the indices of those that hold, then -1: int64 (B, K)."""
    present = indicators(targets, outputs) > 0.5
    order = present.to(torch.uint8).argsort(dim=1, descending=True, stable=True)  # those that hold come first
    place = torch.arange(outputs.shape[1], device=outputs.device)
    return order.masked_fill(place >= present.sum(1, keepdim=True), -1)
