"""Max unpooling: each value returns to the position of its maximum (Zeiler and Fergus, 2014)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["MaxUnpool"]


class MaxUnpool(torch.nn.Module):
    """Values (N, C, ...) and their indices -> (N, C, *size), zeros elsewhere; as torch.nn.MaxUnpool1d and 2d.

    Written as one scatter, which exporters know. Where windows overlap, one of the values with the same index is kept.

    Args:
        axes: 1 or 2.
        kernel_size, stride, padding: those of the pooling, to check that it is the one meant; None takes any.

    Attributes:
        takes_places: the network hands the indices and the size of the pooling that this undoes.
    """

    takes_places = True

    def __init__(
        self,
        axes: int,
        kernel_size: int | tuple[int, ...] | None = None,
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
    ) -> None:
        super().__init__()
        if kernel_size is None and (stride is not None or padding != 0):
            raise ValueError("stride or padding was given without kernel_size. Give the three of the maxpool, or none.")
        self.axes, self.kernel_size, self.stride, self.padding = axes, kernel_size, stride, padding

    def extra_repr(self) -> str:
        return "" if self.kernel_size is None else f"{self.kernel_size}, stride={self.stride}, padding={self.padding}"

    def forward(self, x: torch.Tensor, indices: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
        """Values and indices (N, C, ...), the pooling's input size (...) -> (N, C, *size).

        Raises:
            ValueError: the values have another shape than the indices, or the pooling has other windows than given.
        """
        if tuple(x.shape[1:]) != tuple(indices.shape[1:]):
            raise ValueError(
                f"the maxpool that it undoes gave {_batch(indices)}, but {_batch(x)} arrives. Let the layers between keep the shape."
            )
        self._check(x.shape[2:], size)
        flat = x.new_zeros(*x.shape[:2], _product(size)).scatter(2, indices.flatten(2), x.flatten(2))
        return flat.reshape(*x.shape[:2], *size)

    def _check(self, pooled: Sequence[int], size: Sequence[int]) -> None:
        """Raise ValueError where pooling `size` with the given windows does not result in `pooled`."""
        if self.kernel_size is None:
            return
        kernels = _each(self.kernel_size, self.axes)
        strides = kernels if self.stride is None else _each(self.stride, self.axes)
        for kernel, stride, padding, cells, length in zip(
            kernels, strides, _each(self.padding, self.axes), pooled, size, strict=True
        ):
            if abs((cells - 1) * stride - 2 * padding + kernel - length) >= stride:
                raise ValueError(
                    f"kernel_size={self.kernel_size} was given, but the maxpool that it undoes shrank {tuple(size)} to "
                    f"{tuple(pooled)}. Leave kernel_size out, or give that maxpool's."
                )


def _each(value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else value


def _product(size: Sequence[int]) -> int:
    result = 1
    for length in size:
        result *= length
    return result


def _batch(x: torch.Tensor) -> str:
    return f"(N, {', '.join(map(str, x.shape[1:]))})"
