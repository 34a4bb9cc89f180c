"""Distances between rows of vectors, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch

from toolkit.training.named import find_name

__all__ = ["DISTANCES", "triplet_margin_with_distance"]


def euclidean(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(B, D) and (B, D) -> (B,)."""
    return torch.nn.functional.pairwise_distance(a, b)


def manhattan(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(B, D) and (B, D) -> (B,), the sum of the absolute differences."""
    return torch.nn.functional.pairwise_distance(a, b, p=1.0)


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(B, D) and (B, D) -> (B,) from 0 (same direction) to 2 (opposite)."""
    return 1 - torch.nn.functional.cosine_similarity(a, b)


DISTANCES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "euclidean": euclidean,
    "cosine": cosine,
    "manhattan": manhattan,
}


def triplet_margin_with_distance(
    *, distance: str = "euclidean", margin: float = 1.0, swap: bool = False, reduction: str = "mean"
) -> torch.nn.Module:
    """torch's TripletMarginWithDistanceLoss with its distance by name. Raises SpecError for an unknown one."""
    function = DISTANCES[find_name(distance, DISTANCES, "distance")]
    return torch.nn.TripletMarginWithDistanceLoss(
        distance_function=function, margin=margin, swap=swap, reduction=reduction
    )
