"""Named outputs of a network: probabilities, logits, and the embedding that its last linear layer takes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from runtime.card import OutputCard
from runtime.predict import class_axis
from toolkit.builder.network import Ending

__all__ = ["NamedOutputs", "flat_outputs", "last_linear", "returns_probabilities"]


class NamedOutputs(torch.nn.Module):
    """Inputs -> a tuple with one tensor for each of `cards`, by its role.

    Args:
        module: the network, in evaluation mode.
        cards: the outputs in order; all "raw" stands for the module's own outputs.
        head: the linear layer whose input is the embedding, or None.
        ends_in: what the module ends in, where it returns probabilities, or logarithms of them, already; a module of which
            logits are asked has a method ``logits`` then.
        task: "multilabel" makes each logit a probability by itself; any other makes one distribution of them.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        cards: tuple[OutputCard, ...],
        head: torch.nn.Linear | None,
        ends_in: Ending | None,
        task: str = "classification",
    ) -> None:
        super().__init__()
        self.module = module
        self.cards = cards
        self.ends_in = ends_in
        self.task = task
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
        if "logits" in roles and self.ends_in is not None:
            logits = self.module.logits(*inputs)  # type: ignore[operator]
            return {"logits": logits, "probabilities": self._probabilities(logits, self.ends_in)}
        result = self.module(*inputs)
        found = {"logits": result, "values": result, "embedding": result}
        if "probabilities" in roles:
            if self.ends_in is None:
                found["probabilities"] = self._probabilities(
                    result, "sigmoid" if self.task == "multilabel" else "softmax"
                )
            else:
                found["probabilities"] = result.exp() if self.ends_in == "logsoftmax" else result
        return found

    def _probabilities(self, logits: torch.Tensor, by: Ending) -> torch.Tensor:
        return logits.sigmoid() if by == "sigmoid" else logits.softmax(class_axis(logits.ndim))


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


def returns_probabilities(module: torch.nn.Module, samples: tuple[torch.Tensor, ...], task: str) -> Ending | None:
    """What a module of unknown making ends in, told from what it returns on `samples`.

    Rows that add up to 1 are probabilities. Of single ones nothing tells them from logits but the operator that made them.
    """
    watch = _Sigmoids()
    with torch.no_grad(), watch:
        result = module(*samples)
    if task == "multilabel":
        return "sigmoid" if watch.made(result) else None
    total = result.sum(class_axis(result.ndim))
    return "softmax" if bool((result >= 0).all()) and torch.allclose(total, torch.ones_like(total), atol=1e-4) else None


class _Sigmoids(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Remembers which tensors came out of a sigmoid, also when they were put into another shape behind it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._made: list[torch.Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        passes_on = func.is_view or any(name in str(func) for name in ("clone", "copy", "cat", "stack"))
        if "sigmoid" in str(func) or (passes_on and any(self.made(value) for value in flat_outputs(args))):
            self._made += [value for value in flat_outputs(made) if isinstance(value, torch.Tensor)]
        return made

    def made(self, result: Any) -> bool:
        """Whether a sigmoid made it."""
        return any(result is known for known in self._made)


def flat_outputs(result: Any) -> list[Any]:
    """The tensors of a result, whatever containers they come in, in order."""
    if isinstance(result, Mapping):
        return [part for value in result.values() for part in flat_outputs(value)]
    if isinstance(result, list | tuple):
        return [part for value in result for part in flat_outputs(value)]
    return [result]
