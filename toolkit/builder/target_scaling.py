"""The fixed last step of a network that learnt scaled targets: it brings the outputs back to the data's units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch

__all__ = ["NAME", "ScalingKind", "TargetScaling"]

ScalingKind: TypeAlias = Literal["values", "means and variances"]
NAME = "to_units"
"""Name of the step in a network, and before its buffers in a state_dict."""

# Below, log(exp(v) - 1) is taken from its series, which loses no digits there.
_SMALL_VARIANCE = 0.1


class TargetScaling(torch.nn.Module):
    """Outputs in deviations from the mean (N, T) -> values in the data's units (N, T): output * std + mean.

    Mean and deviation are buffers, float32 (T,), which no training changes: the state_dict keeps them, so that the weights alone
    reproduce the values. `scale` subtracts the same rounded numbers that `forward` adds, and both differ from exact arithmetic by
    the rounding of the result only, however large the mean is.

    Args:
        mean, std: of the targets, T numbers each; deviations above 0.
        kind: "means and variances" where the outputs are (N, 2 T), means and then what softplus turns into variances.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], kind: ScalingKind = "values") -> None:
        super().__init__()
        self.kind: ScalingKind = kind
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float64).float())
        self.register_buffer("std", torch.tensor(std, dtype=torch.float64).float())

    def scale(self, targets: torch.Tensor) -> torch.Tensor:
        """Targets in the data's units (N, T) -> in deviations from their mean, (N, T)."""
        return (targets - self.mean) / self.std

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        """Outputs in deviations from the mean -> in the data's units."""
        if self.kind == "values":
            return outputs * self.std + self.mean
        means, spread = outputs.chunk(2, dim=1)
        variances = torch.nn.functional.softplus(spread) * self.std.square()
        return torch.cat([means * self.std + self.mean, _before_softplus(variances)], dim=1)

    def extra_repr(self) -> str:
        """For torch's own text of a network."""
        return f"targets={len(self.mean)}, kind={self.kind!r}"


def _before_softplus(values: torch.Tensor) -> torch.Tensor:
    """x with softplus(x) = v, for v above 0: log(exp(v) - 1), without its overflow and cancellation."""
    values = values.clamp_min(torch.finfo(values.dtype).tiny)
    small = values.clamp_max(_SMALL_VARIANCE)
    series = small.log() + small / 2 + small.square() / 24
    large = values.clamp_min(_SMALL_VARIANCE)
    return torch.where(values < _SMALL_VARIANCE, series, large + torch.log1p(-torch.exp(-large)))
