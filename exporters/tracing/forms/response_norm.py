"""LocalResponseNorm as ONNX's own operator: one node in place of nine."""

from __future__ import annotations

import torch

from exporters.tracing.forms.registry import form

__all__ = ["OnnxResponseNorm", "onnx_response_norm"]


class OnnxResponseNorm(torch.nn.Module):
    """(N, C, H, W) -> the same shape, by ONNX's LRN; it computes nothing in torch. Other axes run the module itself."""

    def __init__(self, module: torch.nn.LocalResponseNorm) -> None:
        super().__init__()
        self.module = module

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """As the module."""
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
    """Where the window has a middle: an even one reaches one channel further back in torch, and forward in ONNX."""
    return OnnxResponseNorm(module) if module.size % 2 else None
