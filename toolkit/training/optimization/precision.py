"""Mixed precision: the forward pass in 16 bits, weights and loss in 32 (Micikevicius et al., "Mixed Precision Training", 2018)."""

from __future__ import annotations

import contextlib
from typing import Any

import torch

from runtime.errors import SpecError

__all__ = ["Precision"]


class Precision:
    """Precision of the forward pass: autocast, and loss scaling for fp16.

    Args:
        name: "fp32"; "bf16", on the CPU and CUDA; "fp16", on CUDA, where the loss is scaled up so that small gradients do
            not become zero.
        device: device of the network.

    Raises:
        SpecError: "fp16" elsewhere than on CUDA.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        if name == "fp16" and device.type != "cuda":
            raise SpecError(
                f"precision='fp16' was given for a training on {device.type}; it needs CUDA. Use precision='bf16', or 'fp32'."
            )
        self.name, self.device = name, device
        self.dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(name)
        self.scaler = torch.amp.GradScaler(device.type) if name == "fp16" else None

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Autocast context of a forward pass."""
        if self.dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def state(self) -> dict[str, Any]:
        """State of the loss scaling, in plain values; empty without scaling."""
        return {} if self.scaler is None else self.scaler.state_dict()

    def restore(self, state: dict[str, Any]) -> None:
        """Continue with what `state` returned."""
        if self.scaler is not None:
            self.scaler.load_state_dict(state)
