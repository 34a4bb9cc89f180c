"""Targets as batches take them: arrays, or rows of different lengths."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import torch

from runtime.errors import InputError

__all__ = ["ArrayTargets", "RaggedTargets", "Targets", "as_targets"]


class Targets(Protocol):
    """N targets."""

    def __len__(self) -> int: ...

    def take(self, positions: torch.Tensor) -> Any:
        """int64 (n,) -> the targets at these positions: a tensor (n, ...), or a list of n tensors."""
        ...

    def digest(self) -> bytes:
        """What stands for all of them in a fingerprint."""
        ...


class ArrayTargets:
    """An array (N, ...)."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = torch.from_numpy(np.ascontiguousarray(values))

    def __len__(self) -> int:
        return len(self.values)

    def take(self, positions: torch.Tensor) -> torch.Tensor:
        return self.values.index_select(0, positions)

    def digest(self) -> bytes:
        return self.values.numpy().tobytes()


class RaggedTargets:
    """N arrays (n_i, ...) of one dtype, alike but for the first axis: boxes, marks or words of each example.

    Raises:
        InputError: an array is no array of numbers, or differs in dtype or in another axis than the first.
    """

    def __init__(self, values: Iterable[Any]) -> None:
        arrays = [np.asarray(value) for value in values]
        for number, array in enumerate(arrays):
            if array.ndim == 0 or array.dtype.kind not in "fiub":
                raise InputError(
                    f"The target of example {number} is {array.dtype} of shape {array.shape}; an array of numbers with one entry a "
                    f"mark, (n, ...), is expected."
                )
            if array.dtype != arrays[0].dtype or array.shape[1:] != arrays[0].shape[1:]:
                raise InputError(
                    f"The target of example {number} is {array.dtype} of shape {array.shape}, that of the first is "
                    f"{arrays[0].dtype} of shape {arrays[0].shape}; only the first axis may differ."
                )
        self.values = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, position: int) -> torch.Tensor:
        return self.values[position]

    def take(self, positions: torch.Tensor) -> list[torch.Tensor]:
        return [self.values[position] for position in positions.tolist()]

    def digest(self) -> bytes:
        found = hashlib.sha256()
        for value in self.values:
            found.update(f"{tuple(value.shape)}{value.dtype}".encode())
            found.update(value.numpy().tobytes())
        return found.digest()


def as_targets(values: Any) -> Targets:
    """What a data set has as its targets -> the same as `Targets`: an array is wrapped, everything else taken as it is."""
    return ArrayTargets(values) if isinstance(values, np.ndarray) else values
