"""Modules that change the shape of a tensor. The batch axis stays axis 0."""

from __future__ import annotations

import math
from typing import Any

import torch

from model_zoo.layers.sequence_mask import SequenceMask

__all__ = ["First", "LastStep", "Permute", "Reshape", "Squeeze", "Unsqueeze"]


class Reshape(torch.nn.Module):
    """(N, ...) -> (N, *size).

    Args:
        size: lengths; one of them may be -1 and is then inferred.

    Raises:
        ValueError: in `forward`, when the numbers do not fill the size.
    """

    drops_mask = True

    def __init__(self, size: tuple[int, ...]) -> None:
        super().__init__()
        self.size = size

    def extra_repr(self) -> str:
        return f"size={self.size}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        have, wanted = math.prod(x.shape[1:]), math.prod(length for length in self.size if length != -1)
        if have % wanted if -1 in self.size else have != wanted:
            shown = "a multiple of " if -1 in self.size else ""
            raise ValueError(
                f"size={self.size} holds {shown}{wanted} numbers, but {have} arrive. Let the product be {have}."
            )
        return x.reshape(x.shape[0], *self.size)


class Squeeze(torch.nn.Module):
    """Remove an axis of length 1.

    Args:
        dim: the axis, counting the batch as axis 0; None undoes `LastStep(keep_axis=True)`: (N, 1, F) -> (N, F), and
            anything else passes as it is.

    Raises:
        ValueError: in `forward`, when there is no axis `dim`, or it is longer.
    """

    drops_mask = True

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return "" if self.dim is None else f"dim={self.dim}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.dim is None:
            return x.squeeze(1) if x.ndim > 2 else x
        axis = _axis(self.dim, x.ndim)
        if x.shape[axis] != 1:
            raise ValueError(f"axis {axis} is to go, but its length is {x.shape[axis]}; only an axis of length 1 can.")
        return x.squeeze(axis)


class Unsqueeze(torch.nn.Module):
    """Insert an axis of length 1 at `dim`, counting the batch as axis 0; -1 is behind the last one.

    Raises:
        ValueError: in `forward`, when there is no such place.
    """

    drops_mask = True

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unsqueeze(_axis(self.dim, x.ndim + 1))


class Permute(torch.nn.Module):
    """The axes in another order; `dims` begins with the batch axis 0.

    Raises:
        ValueError: in `forward`, when `dims` does not name each axis once.
    """

    drops_mask = True

    def __init__(self, dims: tuple[int, ...], exchanged: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.dims, self.exchanged = dims, exchanged

    @classmethod
    def exchange(cls, first: int, second: int) -> Permute:
        """Two axes exchanged, whatever the number of axes."""
        return cls((), (first, second))

    def extra_repr(self) -> str:
        return f"dims={self.dims}" if self.exchanged is None else f"exchange={self.exchanged}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.exchanged is not None:
            first, second = (_axis(dim, x.ndim) for dim in self.exchanged)
            return x.transpose(first, second)
        if sorted(dim % x.ndim for dim in self.dims) != list(range(x.ndim)):
            raise ValueError(f"dims={self.dims} was given; each of the axes 0 to {x.ndim - 1} is expected once.")
        return x.permute(self.dims)


class LastStep(torch.nn.Module):
    """The last step of a sequence: (N, L, F) -> (N, F), or (N, 1, F) with keep_axis; under a mask the last real one.

    Raises:
        ValueError: in `forward`, when something else than a sequence arrives.
    """

    takes_mask = True
    drops_mask = True

    def __init__(self, keep_axis: bool = False) -> None:
        super().__init__()
        self.keep_axis = keep_axis

    def extra_repr(self) -> str:
        return f"keep_axis={self.keep_axis}"

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        if x.ndim != 3:
            raise ValueError(
                f"a sequence (N, length, features) is expected, but an input of {x.ndim} axes arrives. Give dim to insert an axis."
            )
        if mask is None:
            last = x[:, -1]
        else:
            steps = SequenceMask(mask)
            last = steps.last(steps.to_front(x))
        return last.unsqueeze(1) if self.keep_axis else last


class First(torch.nn.Module):
    """Select the first of several outputs; a single tensor passes unchanged."""

    def forward(self, x: Any) -> Any:
        return x[0] if isinstance(x, tuple | list) else x


def _axis(dim: int, axes: int) -> int:
    """-1 -> the last axis. Never the batch."""
    axis = dim + axes if dim < 0 else dim
    if not 1 <= axis < axes:
        raise ValueError(f"dim={dim} was given; an axis from 1 to {axes - 1} is expected, as axis 0 is the batch.")
    return axis
