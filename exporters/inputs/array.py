"""Plain arrays in an export."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

from exporters.inputs.kind import OPEN_LENGTH, InputKind
from runtime.card import ArrayInput
from runtime.errors import InputError

__all__ = ["KIND", "ArrayKind"]

Array = np.ndarray[Any, Any]


class ArrayKind(InputKind[ArrayInput]):
    """Plain arrays."""

    plural: ClassVar[str] = "arrays"
    expected: ClassVar[str] = "an .npz file with `data`"

    def random_rows(self, module: torch.nn.Module, card: ArrayInput, rows: int, random: np.random.Generator) -> Array:
        """As `InputKind.random_rows`: whole numbers fit the smallest embedding; a mask leaves all in."""
        shape = (rows, *(OPEN_LENGTH if length is None else length for length in card.shape))
        try:
            dtype = np.dtype(card.dtype)
        except TypeError as error:
            raise InputError(
                f"The input {card.name!r} has the dtype {card.dtype!r}; one such as float32 or int64 is expected."
            ) from error
        if dtype.kind == "b":
            return np.ones(shape, dtype)
        if dtype.kind in "iu":
            words = [child.num_embeddings for child in module.modules() if isinstance(child, torch.nn.Embedding)]
            return random.integers(0, min(words, default=2), shape).astype(dtype)
        return random.standard_normal(shape).astype(dtype)


KIND = ArrayKind()
