"""Translation table for the custom operators of the export forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exporters.tracing.forms import keypoint_peaks, suppression_mask

__all__ = ["translations"]


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Custom operator -> its ONNX translation function, as torch.onnx.export's custom_translation_table takes them."""
    return {**suppression_mask.translations(), **keypoint_peaks.translations()}
