"""Loaded model: the network of an opened source with its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from exporters.sources.axes import Axes
from runtime.card import InputCard

__all__ = ["LoadedModel"]


@dataclass(frozen=True)
class LoadedModel:
    """A network with the metadata of its source.

    Attributes:
        module: the network, in whatever mode it came.
        example: arguments for it, as `exporters.forward.arguments.read_example` takes them; None where the source has none.
        task: of its card; None where the source does not say.
        labels: class names.
        inputs: pre-processing of each input; None where the source does not say.
        shape: of one row of its single input; None where the source does not say.
        training, producer: facts for the card.
        recorded: a checkpoint's record of its training and data.
        source_axes: the only axes that may have any length, or None (see `Subject`).
        notes: decisions taken while opening the source.
        real: True where the example holds real inputs rather than random ones.
    """

    module: torch.nn.Module
    example: Any = None
    task: str | None = None
    labels: tuple[str, ...] = ()
    inputs: tuple[InputCard, ...] | None = None
    shape: tuple[int, ...] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    recorded: Mapping[str, Any] = field(default_factory=dict)
    producer: Mapping[str, Any] | None = None
    source_axes: Axes | None = None
    notes: tuple[str, ...] = ()
    real: bool = True
