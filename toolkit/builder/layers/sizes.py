"""The argument kinds that several layer families share."""

from __future__ import annotations

from typing import Literal, TypeAlias

from toolkit.builder.arguments import Count

__all__ = ["Count1", "Count2", "Count3", "PaddingMode", "Size", "Whole1", "Whole2", "Whole3", "pair"]

Size: TypeAlias = int | tuple[int, int]
"""(in, out), or out alone: what comes in is then inferred."""

Whole1: TypeAlias = int | tuple[int]
Whole2: TypeAlias = int | tuple[int, int]
Whole3: TypeAlias = int | tuple[int, int, int]
"""One number an axis, or one for all of them."""

Count1: TypeAlias = Count | tuple[Count]
Count2: TypeAlias = Count | tuple[Count, Count]
Count3: TypeAlias = Count | tuple[Count, Count, Count]
"""The same, where 0 is allowed."""

PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular"]


def pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """`size` as a pair (in, out); the builder has filled in the first number."""
    if not isinstance(size, tuple):
        raise ValueError(f"size={size} lacks what comes in; (in, out) is expected.")
    return size
