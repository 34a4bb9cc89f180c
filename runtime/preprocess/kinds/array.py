"""Plain arrays as an input: they are taken as they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.card.array_input import ArrayInput
from runtime.errors import CardError, InputError
from runtime.preprocess.kinds.prepared_rows import prepared_rows
from runtime.preprocess.kinds.preprocessor import Preprocessor, holds_arrays

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["PREPROCESSOR", "ArrayPreprocessor"]


class ArrayPreprocessor(Preprocessor[ArrayInput]):
    """Arrays: they are prepared rows."""

    def parse(self, data: Any, card: ArrayInput) -> tuple[Array, bool]:
        """As `Preprocessor.parse`."""
        if holds_arrays(data):
            return self.parse_arrays(data, card), False
        if data is None or isinstance(data, str | os.PathLike):
            raise InputError(
                f"{data!r} was given; the model takes arrays of shape {card.shape}, or a batch of these. Read the file first."
                if data is not None
                else f"No input was given; arrays of shape {card.shape}, or a batch of these, are expected."
            )
        try:
            return prepared_rows(np.asarray(data), card)
        except ValueError as error:
            raise InputError(f"The model takes arrays of shape {card.shape}; the data given is ragged.") from error

    def find(self, paths: Sequence[str | os.PathLike[str]], card: ArrayInput, model: str) -> Any:
        """As `Preprocessor.find`, of .npz and .npy files; raises CardError for others."""
        if all(map(holds_arrays, paths)):
            return np.concatenate([self.parse_arrays(path, card) for path in paths])
        raise CardError(f"{model} takes plain arrays, not files. Use runtime.load(...).run(...) with arrays.")


PREPROCESSOR = ArrayPreprocessor()
