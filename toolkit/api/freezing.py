"""Freezing of layers: weights that a training leaves as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from runtime.errors import SpecError
from toolkit.api.state import State

__all__ = ["Freezing"]


class Freezing(State):
    """`freeze` and `unfreeze`."""

    def freeze(self, *names: str) -> None:
        """Freeze the weights of these layers; * matches anything. Without a name: all layers but the head.

        Raises:
            SpecError: a name matches no layer; without a name: the network ends in no linear layer.
        """
        from toolkit.training.optimization.parameter_groups import matching_layers
        from toolkit.training.pretrained.head import find_heads

        known = [name for name, _ in self.model.named_modules() if name]
        if not names:
            names = tuple(_layers_outside(self.model, find_heads(self.model)))
        for name in names:
            matching_layers(name, known)
        self.frozen = list(dict.fromkeys([*self.frozen, *names]))

    def unfreeze(self, *names: str) -> None:
        """Make frozen layers trainable again; without a name, all. Raises SpecError for a name that is not frozen."""
        for name in names:
            if name not in self.frozen:
                frozen = ", ".join(self.frozen) or "none"
                raise SpecError(f"unfreeze({name!r}): it is not frozen. Frozen are: {frozen}.")
        self.frozen = [name for name in self.frozen if names and name not in names]


def _layers_outside(network: torch.nn.Module, heads: Sequence[str], within: str = "") -> Iterator[str]:
    """Paths of the outermost layers with weights that contain no head."""
    for name, child in network.named_children():
        path = f"{within}{name}"
        if any(head.startswith(f"{path}.") for head in heads):
            yield from _layers_outside(child, heads, f"{path}.")
        elif path not in heads and any(True for _ in child.parameters()):
            yield path
