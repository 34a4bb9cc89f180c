"""Layers that move the axis of the steps."""

from __future__ import annotations

from typing import Any

import torch

from model_zoo.layers.shaping import Permute, Squeeze, Unsqueeze
from model_zoo.masking.padding import Padding
from model_zoo.masking.registry import masked

__all__ = ["flatten", "permute", "squeeze", "unsqueeze"]


@masked(Permute)
def permute(run: Any, layer: Permute, x: torch.Tensor, padding: Padding) -> tuple[torch.Tensor, Padding]:
    """The steps go where their axis goes."""
    order = [dim % x.ndim for dim in layer.dims]
    if layer.exchanged is not None:
        first, second = (dim % x.ndim for dim in layer.exchanged)
        order = list(range(x.ndim))
        order[first], order[second] = second, first
    result = run(x)
    return result, Padding(padding.mask, order.index(padding.axis))


@masked(Unsqueeze)
def unsqueeze(run: Any, layer: Unsqueeze, x: torch.Tensor, padding: Padding) -> tuple[torch.Tensor, Padding]:
    """A new axis before the steps shifts them."""
    place = layer.dim % (x.ndim + 1)
    return run(x), Padding(padding.mask, padding.axis + (place <= padding.axis))


@masked(Squeeze)
def squeeze(run: Any, layer: Squeeze, x: torch.Tensor, padding: Padding) -> tuple[torch.Tensor, Padding | None]:
    """An axis that goes before the steps shifts them."""
    result = run(padding.filled(x))
    gone = 1 if layer.dim is None else layer.dim % x.ndim
    if result.ndim == x.ndim:
        return result, padding
    return result, None if gone == padding.axis else Padding(padding.mask, padding.axis - (gone < padding.axis))


@masked(torch.nn.Flatten)
def flatten(
    run: Any, layer: torch.nn.Flatten, x: torch.Tensor, padding: Padding
) -> tuple[torch.Tensor, Padding | None]:
    """Axes beside the steps become one; the steps among them become features, padded ones zeros."""
    start, end = layer.start_dim % x.ndim, layer.end_dim % x.ndim
    result = run(padding.filled(x))
    if start <= padding.axis <= end and start != end:
        return result, None
    return result, Padding(padding.mask, padding.axis - (end - start if end < padding.axis else 0))
