"""Sequence mask: real steps of padded sequences moved to the front, reversed, and moved back."""

from __future__ import annotations

import torch

__all__ = ["SequenceMask"]


class SequenceMask:
    """Mask of the real steps of padded sequences (N, L). Padding may stand before, after or between them.

    A row without a real step keeps its first one, so that no row is empty.

    Args:
        mask: (N, L) bool, True where a step is real.

    Attributes:
        mask: (N, L) bool, with the first step of empty rows True.
        lengths: (N,) int64, number of real steps, at least 1.
    """

    def __init__(self, mask: torch.Tensor) -> None:
        first = torch.arange(mask.shape[1], device=mask.device) == 0  # (L,)
        self.mask = mask | (first & ~mask.any(dim=1, keepdim=True))
        self.lengths = self.mask.sum(dim=1)
        numbers = self.mask.long()
        real = numbers.cumsum(dim=1) - 1
        padding = self.lengths[:, None] + (1 - numbers).cumsum(dim=1) - 1
        # (N, L): the place of each step once the real ones stand in front, in their order
        self._place = torch.where(self.mask, real, padding)

    def to_front(self, x: torch.Tensor) -> torch.Tensor:
        """(N, L, F) -> (N, L, F): real steps first, in their order, then the padding."""
        place = self._place[:, :, None].expand_as(x)
        return torch.zeros_like(x).scatter(1, place, x)

    def back(self, x: torch.Tensor) -> torch.Tensor:
        """(N, L, F) -> (N, L, F): undo `to_front`, with zeros at the padding."""
        place = self._place[:, :, None].expand_as(x)
        return x.gather(1, place) * self.mask[:, :, None].to(x.dtype)

    def reverse(self, x: torch.Tensor) -> torch.Tensor:
        """(N, L, F), real steps in front -> the same, with the order of the real steps turned round."""
        position = torch.arange(x.shape[1], device=x.device).expand(x.shape[0], -1)
        lengths = self.lengths[:, None]
        source = torch.where(position < lengths, lengths - 1 - position, position)
        return x.gather(1, source[:, :, None].expand_as(x))

    def last(self, x: torch.Tensor) -> torch.Tensor:
        """(N, L, F), real steps in front -> (N, F): the last real step of each row."""
        index = (self.lengths - 1)[:, None, None].expand(-1, 1, x.shape[2])
        return x.gather(1, index).squeeze(1)
