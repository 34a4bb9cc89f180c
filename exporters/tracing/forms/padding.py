"""Padding by widths that depend on a dynamic length, such as of a U-Net whose halves meet at odd sizes.

torch.export takes the example's side of the question whether a width is zero or negative. Here every position of the result
looks up the one of the input that it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from exporters.tracing.forms.functions import function_form

__all__ = ["pad"]

# Positions (n,) counted from the input's first one, and its length () -> the positions of the input that they show.
_SHOWN: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "constant": lambda position, length: position.clamp(min=0).minimum(length - 1),
    "replicate": lambda position, length: position.clamp(min=0).minimum(length - 1),
    "reflect": lambda position, length: (length - 1) - ((length - 1) - position.abs()).abs(),
    "circular": lambda position, length: position.remainder(length),
}


@function_form(functional.pad)
def pad(
    input: torch.Tensor, pad: Sequence[int | torch.SymInt], mode: str = "constant", value: float | None = None
) -> Any:
    """Pad (..., L, ...) -> (..., before + L + after, ...): `pad` holds a pair per axis, the last axis first.

    Negative widths cut positions off. Plain numbers, and widths that are none of a length, export well as they are.
    """
    if mode not in _SHOWN or len(pad) % 2 or not any(isinstance(width, torch.SymInt) for width in pad):
        return NotImplemented
    for place in range(len(pad) // 2):
        before, after, axis = pad[2 * place], pad[2 * place + 1], input.ndim - 1 - place
        if isinstance(before, torch.SymInt) or isinstance(after, torch.SymInt) or before or after:
            input = _pad_axis(input, axis, before, after, mode, value)
    return input


def _pad_axis(
    input: torch.Tensor,
    axis: int,
    before: int | torch.SymInt,
    after: int | torch.SymInt,
    mode: str,
    value: float | None,
) -> torch.Tensor:
    length = input.shape[axis]
    position = torch.arange(before + length + after, device=input.device) - before  # (before + L + after,)
    count = torch.full((), 0, device=input.device) + length
    padded = input.index_select(axis, _SHOWN[mode](position, count))
    if mode != "constant":
        return padded
    inside = ((position >= 0) & (position < count)).reshape(-1, *[1] * (input.ndim - 1 - axis))
    around = torch.full((), value or 0, dtype=input.dtype, device=input.device)
    result: torch.Tensor = torch.where(inside, padded, around)
    return result
