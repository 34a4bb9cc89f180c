"""The built network: a torch.nn.Sequential that knows its logits from its probabilities."""

from __future__ import annotations

import torch

__all__ = ["Network"]


class Network(torch.nn.Sequential):
    """The modules in order. `forward` runs all of them; `logits` leaves a final softmax out.

    Training on the logits and keeping the softmax for inference is what makes a network that ends in softmax learn as
    well as one that does not: cross-entropy applies a log-softmax itself, and a second softmax flattens its gradient.
    """

    @property
    def ends_in_softmax(self) -> bool:
        """Whether the last module is a softmax."""
        return len(self) > 0 and isinstance(self[-1], torch.nn.Softmax)

    def logits(self, input: torch.Tensor) -> torch.Tensor:
        """The output before a final softmax, or the whole output where there is none."""
        modules = list(self)
        for module in modules[:-1] if self.ends_in_softmax else modules:
            input = module(input)
        return input
