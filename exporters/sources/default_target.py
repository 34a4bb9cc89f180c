"""Default output path of an export."""

from __future__ import annotations

import os
from pathlib import Path

from exporters.sources.architectures import is_architecture
from exporters.sources.opening import Source
from runtime.errors import SpecError

__all__ = ["default_target"]


def default_target(source: Source) -> Path:
    """`model.pth` -> `model.onnx`, `torchvision:resnet18` -> `resnet18.onnx`.

    Raises:
        SpecError: there is no file to take the name from.
    """
    if isinstance(source, str | os.PathLike):
        text = os.fspath(source)
        if is_architecture(text) and not Path(text).exists():
            return Path(f"{text.rpartition(':')[2]}.onnx")
        return Path(source).with_suffix(".onnx")
    raise SpecError("No output file was given. Name one, such as export(model, 'model.onnx', ...).")
