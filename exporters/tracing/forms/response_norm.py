"""LocalResponseNorm as ONNX's own operator: one node in place of nine."""

from __future__ import annotations

import torch

from exporters.tracing.forms.registry import form

__all__ = ["OnnxResponseNorm", "onnx_response_norm"]


class OnnxResponseNorm(torch.nn.Module):
    """LocalResponseNorm as ONNX's LRN, (N, C, H, W), symbolic only. Other ranks run the module itself."""

    def __init__(self, module: torch.nn.LocalResponseNorm) -> None:
        super().__init__()
        self.module = module

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Normalise as the module does."""
        norm = self.module
        if input.ndim != 4:
            result: torch.Tensor = norm(input)
            return result
        return torch.onnx.ops.symbolic(
            "LRN",
            (input,),
            {"size": norm.size, "alpha": float(norm.alpha), "beta": float(norm.beta), "bias": float(norm.k)},
            dtype=input.dtype,
            shape=input.shape,
        )


@form(torch.nn.LocalResponseNorm, symbolic=True)
def onnx_response_norm(module: torch.nn.LocalResponseNorm) -> OnnxResponseNorm | None:
    """Form for odd windows; None for even ones, which reach one channel further back in torch, and forward in ONNX."""
    return OnnxResponseNorm(module) if module.size % 2 else None
