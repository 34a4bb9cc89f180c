"""An exponential moving average of the weights, which often generalises better than the last weights do.

Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992; torch.optim.swa_utils does it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

__all__ = ["averaged"]


def averaged(network: torch.nn.Module, decay: float) -> AveragedModel:
    """A copy of `network` that follows it: average = decay * average + (1 - decay) * weights, at each `update_parameters`.

    The first update copies. Buffers such as running statistics are averaged too; those of whole numbers are copied.
    `.module` is the averaged network.
    """
    average: Callable[..., None] = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update(averages: Sequence[torch.Tensor], present: Sequence[torch.Tensor], count: torch.Tensor | int) -> None:
        if averages[0].is_floating_point():
            average(list(averages), list(present), count)
        else:  # between two counts or positions there is no average
            for mean, value in zip(averages, present, strict=True):
                mean.copy_(value)

    copy = AveragedModel(network, multi_avg_fn=update, use_buffers=True)
    return copy.requires_grad_(False)
