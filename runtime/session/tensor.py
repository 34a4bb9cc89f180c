"""Tensor: an input or output of a file, as its signature says."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Tensor"]


@dataclass(frozen=True)
class Tensor:
    """An input or output of a file: its name, dtype, and shape with a text where an axis may have any length."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype} ({', '.join(map(str, self.shape))})"
