"""Masks of one value only: what a network makes of a row in which all is masked, or nothing, shows at no ordinary input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

__all__ = ["masked_inputs"]

Inputs = tuple[torch.Tensor, ...]

_WHOLE = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)


def masked_inputs(inputs: Inputs, names: Sequence[str], rows: Sequence[int | None]) -> Iterator[tuple[str, Inputs]]:
    """Change each mask among the inputs: (what was done, in words; the inputs).

    Its last row gets one value; so does, in all rows, what the last query sees, where a mask has an axis of queries.

    Args:
        inputs: one tensor per input.
        names: of the inputs.
        rows: axis of the rows of each; None for an input without, all of which gets one value.
    """
    for place, (mask, name, axis) in enumerate(zip(inputs, names, rows, strict=True)):
        for value in _values(mask):
            changed = [_filled(mask, axis, value)]
            if mask.ndim > 1 and axis not in (mask.ndim - 2, mask.ndim - 1):
                changed.append(_filled(mask, mask.ndim - 2, value))
            for what, one in zip(("a row", "a query's row"), changed, strict=False):
                if not torch.equal(one, mask):
                    yield f"{what} of {name!r} all {value}", (*inputs[:place], one, *inputs[place + 1 :])


def _values(mask: torch.Tensor) -> tuple[bool | int | float, ...]:
    """Values that a mask may have everywhere: of booleans, of whole numbers 0 and 1, and of numbers with -inf; else none."""
    if mask.dtype == torch.bool:
        return False, True
    if mask.is_floating_point():
        return (-torch.inf,) if bool(mask.isneginf().any()) else ()
    is_mask = mask.ndim > 1 and mask.dtype in _WHOLE and int(mask.min()) >= 0 and int(mask.max()) <= 1
    return (0, 1) if is_mask else ()


def _filled(mask: torch.Tensor, axis: int | None, value: float) -> torch.Tensor:
    """A copy with one value in the last place along an axis, or everywhere."""
    changed = mask.clone()
    (changed if axis is None else changed.select(axis, -1)).fill_(value)
    return changed
