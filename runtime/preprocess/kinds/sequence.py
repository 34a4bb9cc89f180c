"""Sequences as an input: arrays (L, features), or a NumPy file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from runtime.card.sequence_input import SequenceInput
from runtime.errors import InputError
from runtime.preprocess.kinds.preprocessor import Preprocessor
from runtime.preprocess.sequences import prepare_sequences, read_arrays, split_steps

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["PREPROCESSOR", "SequencePreprocessor"]


class SequencePreprocessor(Preprocessor[SequenceInput]):
    """Sequences: items are arrays (L, features)."""

    items: ClassVar[Literal["apart", "together"] | None] = "together"

    def parse(self, data: Any, card: SequenceInput) -> tuple[Any, bool]:
        """As `Preprocessor.parse`."""
        if isinstance(data, str | os.PathLike):
            arrays = read_arrays(data)
            if "data" not in arrays:
                raise InputError(f"{data} lacks the array 'data'; it has {', '.join(arrays) or 'none'}.")
            values = arrays["data"]
            if "lengths" in arrays:
                return split_steps(values, arrays["lengths"], str(data)), False
            return (list(values), False) if values.ndim == 3 else ([values], False)
        if not isinstance(data, list | tuple | np.ndarray) or (isinstance(data, np.ndarray) and data.ndim == 0):
            raise InputError(
                f"The model takes sequences, and a {type(data).__name__} was given; an array (steps, {card.features}), a list of "
                f"such, or an .npy or .npz file is expected."
            )
        # the steps of one sequence, rather than several sequences: numbers, or as many numbers each as there are features
        first = np.shape(data[0]) if len(data) else None
        array = isinstance(data, np.ndarray) or card.features > 1
        single = first == () if card.features == 1 and first != (1,) else array and first == (card.features,)
        return ([data] if single else list(data)), single

    def prepare(self, items: Sequence[Any], card: SequenceInput) -> Array:
        """As `Preprocessor.prepare`."""
        return prepare_sequences(items, card)


PREPROCESSOR = SequencePreprocessor()
