"""Pairs and triplets: those of the data, or mined within a batch by class.

Within a batch, each example is an anchor once. Its positive is the next example of its class, its negative the next of
another class, both in the order of the batch, taken cyclically. Nothing is random, so a resumed training
forms the same ones. Anchors without a partner do not count; a batch without any has a loss of zero.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

__all__ = ["Neighbours", "neighbours", "next_where", "pairs", "triplets"]


class Neighbours(NamedTuple):
    """For each of B examples: positions int64 (B,) of its positive and negative, and whether there is one, bool (B,)."""

    positive: torch.Tensor
    has_positive: torch.Tensor
    negative: torch.Tensor
    has_negative: torch.Tensor


def next_where(allowed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """bool (B, B) -> for each row the position of the next allowed column behind it, cyclically, and whether there is one."""
    count = len(allowed)
    place = torch.arange(count, device=allowed.device)
    ahead = (place[None, :] - place[:, None]) % count
    ahead = ahead.masked_fill(~allowed, count)
    return ahead.argmin(1), allowed.any(1)


def neighbours(classes: torch.Tensor) -> Neighbours:
    """Classes int64 (B,) -> positives and negatives of every example as an anchor."""
    alike = classes[:, None] == classes[None, :]
    itself = torch.eye(len(classes), dtype=torch.bool, device=classes.device)
    return Neighbours(*next_where(alike & ~itself), *next_where(~alike))


def triplets(
    outputs: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vectors -> anchors, positives and negatives (M, D), and which of them count, bool (M,).

    Args:
        outputs: (B, 3, D), triplets; or (B, D) with class indices.
        targets: (B,); class indices int64 for (B, D).
    """
    if outputs.ndim == 3:
        anchor, positive, negative = outputs.unbind(1)
        return anchor, positive, negative, torch.ones(len(outputs), dtype=torch.bool, device=outputs.device)
    near = neighbours(targets)
    return outputs, outputs[near.positive], outputs[near.negative], near.has_positive & near.has_negative


def pairs(
    outputs: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vectors -> first and second ones (M, D), +1 for those alike and -1 for others (M,), and which count, bool (M,).

    Args:
        outputs: (B, 2, D), pairs; (B, 3, D), triplets, of which two pairs each are made; or (B, D) with class indices.
        targets: (B,): +1 and -1 for pairs, anything for triplets, class indices int64 for (B, D).
    """
    if outputs.ndim == 3 and outputs.shape[1] == 2:
        first, second = outputs.unbind(1)
        return first, second, targets.to(outputs.dtype), torch.ones_like(targets, dtype=torch.bool)
    if outputs.ndim == 3:
        anchor, positive, negative, counts = triplets(outputs, targets)
        has_positive = has_negative = counts
    else:
        near = neighbours(targets)
        anchor, positive, negative = outputs, outputs[near.positive], outputs[near.negative]
        has_positive, has_negative = near.has_positive, near.has_negative
    sign = torch.ones(len(anchor), dtype=outputs.dtype, device=outputs.device)
    return (
        torch.cat([anchor, anchor]),
        torch.cat([positive, negative]),
        torch.cat([sign, -sign]),
        torch.cat([has_positive, has_negative]),
    )
