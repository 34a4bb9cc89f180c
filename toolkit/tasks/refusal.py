"""Refusal of a loss that does not fit the data or the network's output."""

from __future__ import annotations

from runtime.errors import SpecError

__all__ = ["batch_text", "refuse"]


def refuse(name: str, reason: str, remedy: str) -> SpecError:
    """SpecError of a loss that does not fit, with reason and remedy."""
    return SpecError(f"The loss {name!r} does not fit: {reason} {remedy}")


def batch_text(shape: tuple[int, ...]) -> str:
    """Shape of a batch in words: (3, 4) -> "(batch, 3, 4)"."""
    return f"({', '.join(['batch', *map(str, shape)])})"
