"""Padding of a batch of sequences: which steps are real, and along which axis they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

__all__ = ["Padding", "find_padding"]


@dataclass(frozen=True)
class Padding:
    """Real steps of a tensor (N, ...).

    Attributes:
        mask: (N, L) bool, True where a step is real.
        axis: of the tensor, along which the L steps lie: 1 of (N, L, F), 2 of (N, C, L).
    """

    mask: torch.Tensor
    axis: int = 1

    @property
    def lengths(self) -> torch.Tensor:
        """(N,) int64: steps up to the last real one, at least 1."""
        places = torch.arange(1, self.mask.shape[1] + 1, device=self.mask.device)
        return (places * self.mask.long()).amax(1).clamp(min=1)

    def over(self, x: torch.Tensor) -> torch.Tensor:
        """The mask, broadcastable to the tensor x."""
        mask = self.mask
        for _ in range(1, self.axis):
            mask = mask.unsqueeze(1)
        for _ in range(self.axis + 1, x.ndim):
            mask = mask.unsqueeze(-1)
        return mask

    def filled(self, x: torch.Tensor, value: float = 0.0) -> torch.Tensor:
        """x with `value` in the padded steps; whole numbers, such as tokens, stay as they are."""
        return torch.where(self.over(x), x, value) if x.is_floating_point() else x

    def shaped(self, lengths: torch.Tensor, x: torch.Tensor) -> Padding:
        """Padding of a result x with so many real steps (N,), at least 1, along the same axis."""
        places = torch.arange(x.shape[self.axis], device=x.device)
        return Padding(places < lengths.clamp(min=1)[:, None], self.axis)


def find_padding(x: torch.Tensor, mark: int | Literal["nan"]) -> tuple[torch.Tensor, Padding | None]:
    """Inputs of a network -> (inputs without NaN, their padding; None where every step is real).

    While a network is traced the padding is always given, as another batch may have some.

    Args:
        x: (N, L, F) float with steps of NaN, or (N, L) tokens.
        mark: of a padded step: "nan", or the padding token.
    """
    if x.is_meta or x.ndim != (3 if mark == "nan" else 2) or x.is_floating_point() != (mark == "nan"):
        return x, None
    mask = ~x.isnan().all(dim=2) if mark == "nan" else x != mark  # (N, L)
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    if not traced and bool(mask.all()):
        return x, None
    padding = Padding(mask)
    return (padding.filled(x) if mark == "nan" else x), padding
