"""Arrays that are prepared already: checked, and brought to the dtype and batch axis that the model takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.card.input_card import InputCard
from runtime.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["prepared_rows"]


def prepared_rows(data: Array, card: InputCard, hint: str = "") -> tuple[Array, bool]:
    """Check an array with or without the batch axis -> (rows (N, *card.shape) of the card's dtype, is_single).

    Args:
        data: the array.
        card: its shape and dtype.
        hint: added to the message on another shape.

    Raises:
        InputError: another shape or kind of numbers, NaN or infinity.
    """
    rank = len(card.shape)
    single = data.ndim == rank
    rows = data[None] if single else data
    fits = rows.ndim == rank + 1 and all(
        want is None or want == got for want, got in zip(card.shape, rows.shape[1:], strict=True)
    )
    if not fits:
        turned = np.moveaxis(rows, -1, 1).shape[1:] if rows.ndim == 4 and rank == 3 else ()
        if turned and all(want in (None, got) for want, got in zip(card.shape, turned, strict=True)):
            hint += f" Its channels are last: give x.transpose({'2, 0, 1' if single else '0, 3, 1, 2'})."
        raise InputError(
            f"The array has the shape {data.shape}; prepared inputs of shape (N, {', '.join(map(str, card.shape))}) are "
            f"expected.{hint}"
        )
    dtype = card.dtype
    if rows.dtype.kind in "fiub" and not np.can_cast(rows.dtype, dtype, "same_kind"):
        raise InputError(f"The array has the dtype {data.dtype}; {dtype} is expected. Cast it with .astype('{dtype}').")
    if rows.dtype.kind == "f" and not np.isfinite(rows).all():
        raise InputError(
            "The array holds NaN or infinity; finite numbers are expected. Look for missing values in the data."
        )
    try:
        return np.ascontiguousarray(rows, dtype=dtype), single
    except (TypeError, ValueError) as error:
        raise InputError(f"The array of {data.dtype} cannot be read as {dtype}: {error}.") from error
