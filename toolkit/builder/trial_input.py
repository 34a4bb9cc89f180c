"""Trial input of a layer in shape inference: tensors on the meta device, each with its forward state."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from toolkit.builder.network import ForwardState

__all__ = ["ShapeUnknown", "TrialInput"]


class ShapeUnknown(Exception):
    """A shape or number that a layer depends on is not known yet; the message names it and how to give it."""


@dataclass
class TrialInput:
    """Trial input of a layer, on the meta device.

    Attributes:
        tensors: one (2, ...) where the input's shape is known; else several, of different trial lengths.
        besides: the forward state of each tensor.
    """

    tensors: list[torch.Tensor]
    besides: list[ForwardState] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.besides = self.besides or [ForwardState() for _ in self.tensors]

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Shape without the batch axis; None for a length that depends on an unknown one."""
        lengths = zip(*(tensor.shape[1:] for tensor in self.tensors), strict=True)
        return tuple(each[0] if len(set(each)) == 1 else None for each in lengths)

    @property
    def known(self) -> tuple[int, ...] | None:
        """The shape, once every length is known."""
        shape = self.shape
        return None if None in shape else tuple(length for length in shape if length is not None)
