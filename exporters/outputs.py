"""Named outputs of a network: probabilities, logits, and the embedding that its last linear layer takes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from runtime.card import OutputCard

__all__ = ["NamedOutputs", "flat_outputs", "last_linear"]


class NamedOutputs(torch.nn.Module):
    """Inputs -> a tuple with one tensor for each of `cards`, by its role.

    Args:
        module: the network, in evaluation mode.
        cards: the outputs in order; all "raw" stands for the module's own outputs.
        head: the linear layer whose input is the embedding, or None.
        ends_in_softmax: whether the module returns probabilities already.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        cards: tuple[OutputCard, ...],
        head: torch.nn.Linear | None,
        ends_in_softmax: bool,
    ) -> None:
        super().__init__()
        self.module = module
        self.cards = cards
        self.ends_in_softmax = ends_in_softmax
        # in a list, so that it is not a child a second time
        self._head = [head] if head is not None and any(card.role == "embedding" for card in cards) else []

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Tensors (B, ...) -> one tensor an output."""
        if self.cards[0].role == "raw":
            return tuple(flat_outputs(self.module(*inputs)))
        entering_head: list[torch.Tensor] = []
        # for this run only: the module is the caller's, and keeps nothing of ours
        handles = [
            head.register_forward_pre_hook(lambda _module, inputs: entering_head.append(inputs[0]))
            for head in self._head
        ]
        try:
            found = self._run(*inputs)
        finally:
            for handle in handles:
                handle.remove()
        if entering_head:
            found["embedding"] = entering_head[-1].flatten(1)
        return tuple(found[card.role] for card in self.cards)

    def _run(self, *inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """Inputs -> role -> tensor, without the embedding."""
        roles = {card.role for card in self.cards}
        found: dict[str, torch.Tensor] = {}
        if "logits" in roles and self.ends_in_softmax:
            found["logits"] = self.module.logits(*inputs)  # type: ignore[operator]
            result = found["logits"].softmax(1)
        else:
            result = self.module(*inputs)
            found["logits"] = found["values"] = result
            if not self.ends_in_softmax and "probabilities" in roles:
                result = result.softmax(1)
        found["probabilities"] = result
        return found


def last_linear(module: torch.nn.Module, samples: tuple[torch.Tensor, ...]) -> torch.nn.Linear | None:
    """The linear layer that runs last on `samples`, or None."""
    order: list[torch.nn.Linear] = []
    handles = [
        child.register_forward_pre_hook(lambda layer, _inputs: order.append(layer))
        for child in module.modules()
        if isinstance(child, torch.nn.Linear)
    ]
    try:
        with torch.no_grad():
            module.eval()(*samples)
    finally:
        for handle in handles:
            handle.remove()
    return order[-1] if order else None


def flat_outputs(result: Any) -> list[Any]:
    """The tensors of a result, whatever containers they come in, in order."""
    if isinstance(result, Mapping):
        return [part for value in result.values() for part in flat_outputs(value)]
    if isinstance(result, list | tuple):
        return [part for value in result for part in flat_outputs(value)]
    return [result]
