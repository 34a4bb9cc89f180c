"""What the exporter writes for the operators that the export forms bring along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exporters.tracing.forms import keypoint_peaks, suppression_mask

__all__ = ["translations"]


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Operator -> the function that writes it with ONNX's own, as torch.onnx.export takes them."""
    return {**suppression_mask.translations(), **keypoint_peaks.translations()}
