"""Validation of vectors and scores as arrays of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.errors import InputError

__all__ = ["numbers"]


def numbers(given: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """Convert to an array of real numbers of any shape; raises InputError, which names `name`, for anything else."""
    try:
        array = np.asarray(given)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is not an array of numbers: {error}. Give rows of equal length.") from error
    if array.dtype.kind not in "buif":
        raise InputError(f"{name} has dtype {array.dtype}; an array of real numbers is expected.")
    return array
