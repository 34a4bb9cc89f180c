"""A bilinear form of the two halves of one input."""

from __future__ import annotations

import torch

__all__ = ["SplitBilinear"]


class SplitBilinear(torch.nn.Bilinear):
    """(N, ..., in1 + in2) -> (N, ..., out): out[k] = a' W[k] b + bias[k], where a and b are the input's two parts.

    Args:
        in1_features: length of the first part.
        in2_features: length of the second part.
        out_features: length of the result.
        bias: learn offsets.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Raises ValueError when the last axis has another length than both parts together."""
        first, second = self.in1_features, self.in2_features
        if x.shape[-1] != first + second:
            raise ValueError(
                f"size=({first}, {second}, {self.out_features}) expects {first} + {second} = {first + second} input features, "
                f"but it receives {x.shape[-1]}."
            )
        a, b = x[..., :first], x[..., first:]
        # (..., out, in2) = (..., in1) x (out, in1, in2), then the sum over in2: exporters know both steps
        half = torch.einsum("...i,oij->...oj", a, self.weight)
        result: torch.Tensor = (half * b.unsqueeze(-2)).sum(-1)
        return result if self.bias is None else result + self.bias
