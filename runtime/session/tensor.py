"""An input or output of a file: its name, dtype and shape."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["UNNAMED", "Tensor"]

UNNAMED = "?"
"""Stands for an axis of any length to which the file gives no name."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a file: its name, dtype, and shape with a text where an axis may have any length."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype} ({', '.join(map(str, self.shape))})"
