"""Activations whose own operator has no ONNX function, or loses its digits far from zero."""

from __future__ import annotations

import torch

from exporters.tracing.forms.registry import form

__all__ = ["StableLogSigmoid", "leaky_relu_of_rrelu", "stable_log_sigmoid"]


class StableLogSigmoid(torch.nn.Module):
    """LogSigmoid (...) -> (...): log(sigmoid(x)) = -softplus(-x), which does not underflow to -inf below about -100."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Apply elementwise; the shape stays."""
        return input.clamp(max=0) - (-input.abs()).exp().log1p()


@form(torch.nn.LogSigmoid)
def stable_log_sigmoid(_module: torch.nn.LogSigmoid) -> torch.nn.Module:
    """LogSigmoid without the underflow of its decomposition."""
    return StableLogSigmoid()


@form(torch.nn.RReLU)
def leaky_relu_of_rrelu(module: torch.nn.RReLU) -> torch.nn.Module:
    """RReLU in evaluation mode is a LeakyReLU of the middle slope (https://arxiv.org/abs/1505.00853, section 2.4)."""
    return torch.nn.LeakyReLU((module.lower + module.upper) / 2)
