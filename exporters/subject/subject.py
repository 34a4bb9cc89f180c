"""The subject of an export, as plain data: a torch module in evaluation mode, sample inputs, dynamic axes, the future card."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from exporters.forward.first_attributes import FirstAttributes
from exporters.outputs.named_outputs import NamedOutputs
from exporters.sources.axes import Axes, AxisRange
from runtime.card import ModelCard

__all__ = ["Subject"]


@dataclass(frozen=True)
class Subject:
    """A network ready to be traced.

    Attributes:
        module: inputs -> a tuple of the outputs named in `card.outputs`, in evaluation mode.
        samples: one tensor per input, real or given rows, (n, ...).
        card: everything but the parity figures.
        axes: the dynamic axes of the inputs.
        recorded: a checkpoint's record of its training and data; empty without one.
        ranges: axis name -> the lengths that torch takes along it, of axes other than the batch.
        source_axes: the only axes that may have any length, where the source was made for lengths of its own (an
            ExportedProgram); None where torch can be run at any length.
        notes: decisions taken while the source was opened.
        real: True where the samples are real inputs rather than random ones.
        rows: of the file, where its batch is fixed; None takes the samples' number.
        first: the module's attributes before it was run, with which it is traced; None where it has none of its own.
    """

    module: NamedOutputs
    samples: tuple[torch.Tensor, ...]
    card: ModelCard
    axes: Axes
    recorded: Mapping[str, Any] = field(default_factory=dict)
    ranges: Mapping[str, AxisRange] = field(default_factory=dict)
    source_axes: Axes | None = None
    notes: tuple[str, ...] = ()
    real: bool = True
    rows: int | None = None
    first: FirstAttributes | None = None

    def as_at_first(self) -> contextlib.AbstractContextManager[None]:
        """Within the ``with``, the module has the attributes that it had before it was run."""
        return contextlib.nullcontext() if self.first is None else self.first.restored()

    @property
    def input_names(self) -> list[str]:
        """Input names in order."""
        return [entry.name for entry in self.card.inputs]

    @property
    def output_names(self) -> list[str]:
        """Names of the network's own outputs, in order; the card lists outputs of post-processing steps after them."""
        return [entry.name for entry in self.card.outputs[: len(self.module.cards)]]
