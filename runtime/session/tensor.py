"""An input or output of a file: its name, dtype and shape."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DTYPES", "UNNAMED", "Tensor"]

UNNAMED = "?"
"""Stands for an axis of any length to which the file gives no name."""

DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
"""onnxruntime's types of tensors that NumPy can hold -> NumPy's dtypes."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a file: its name, dtype, and shape with a text where an axis may have any length.

    What is no array of NumPy has onnxruntime's own type for its dtype, such as "seq(tensor(float))" or "tensor(bfloat16)".
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    @property
    def is_array(self) -> bool:
        """True for what NumPy can hold."""
        return "(" not in self.dtype

    @property
    def has_axes(self) -> bool:
        """False for what is no tensor, such as a sequence of some."""
        return self.is_array or self.dtype.startswith("tensor(")

    def __str__(self) -> str:
        if not self.has_axes:
            return f"{self.name}: {self.dtype}"
        return f"{self.name}: {self.dtype} ({', '.join(map(str, self.shape))})"
