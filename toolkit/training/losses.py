"""Losses by name."""

from __future__ import annotations

from collections.abc import Callable

import torch

from runtime.errors import SpecError, suggest
from toolkit.builder.network import Network
from toolkit.data.dataset import Task

__all__ = ["CLASSIFICATION_LOSSES", "REGRESSION_LOSSES", "Loss", "default_loss", "find_loss", "forward_for"]

CLASSIFICATION_LOSSES: dict[str, Callable[[], torch.nn.Module]] = {
    "crossentropyloss": torch.nn.CrossEntropyLoss,
    "nllloss": torch.nn.NLLLoss,
}
REGRESSION_LOSSES: dict[str, Callable[[], torch.nn.Module]] = {
    "mseloss": torch.nn.MSELoss,
    "l1loss": torch.nn.L1Loss,
    "smoothl1loss": torch.nn.SmoothL1Loss,
    "huberloss": torch.nn.HuberLoss,
}

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def default_loss(task: Task) -> str:
    """The loss of a task for which none is named."""
    return "CrossEntropyLoss" if task == "classification" else "MSELoss"


def find_loss(name: str, task: Task) -> tuple[str, Loss]:
    """Look a loss up, without case and with or without "Loss" at its end.

    Raises:
        SpecError: there is none of that name, or it is not for this task.
    """
    key = str(name).lower().replace("_", "")
    key = key if key.endswith("loss") else key + "loss"
    own, other = CLASSIFICATION_LOSSES, REGRESSION_LOSSES
    if task == "regression":
        own, other = other, own
    if key in own:
        return key, own[key]()
    if key in other:
        raise SpecError(
            f"The loss {name!r} does not fit {task}: its targets are of another kind. Use one of: {', '.join(own)}."
        )
    raise SpecError(f"There is no loss {name!r}.{suggest(key, own)}")


def forward_for(network: torch.nn.Module, loss: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The forward pass that `loss` wants: cross-entropy applies a softmax itself, so it gets the logits."""
    if loss == "crossentropyloss" and isinstance(network, Network):
        return network.logits
    return network
