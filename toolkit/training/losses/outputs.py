"""What a loss gets of a network: its logits, logarithms of probabilities, or its output as it is; and what metrics get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch

from toolkit.data.dataset import Task
from toolkit.training.losses.registry import LossEntry, OutputKind

__all__ = ["Select", "ending", "plain_output", "select_outputs", "select_predictions"]

# (network, inputs) -> outputs
Select: TypeAlias = Callable[[torch.nn.Module, torch.Tensor], torch.Tensor]


def ending(network: torch.nn.Module) -> str | None:
    """ "softmax", "logsoftmax" or "sigmoid" where our network ends in one and can leave it out; else None."""
    if not callable(getattr(network, "logits", None)):
        return None
    known = getattr(network, "ends_in", None)
    return known if known in ("softmax", "logsoftmax", "sigmoid") else None


def select_outputs(kind: OutputKind, end: str | None, *, axis: int, classes: bool, make_logarithms: bool) -> Select:
    """The forward pass for a loss.

    Args:
        kind: what the loss wants.
        end: how the network ends.
        axis: where the classes are in the output.
        classes: whether the targets are classes, whose probabilities are meant where numbers are compared.
        make_logarithms: whether logarithms of probabilities are made of a network's plain output too.
    """
    softmax = end in ("softmax", "logsoftmax")
    if kind == "log-probabilities" and (softmax or make_logarithms):
        logits = _logits if end else plain_output
        return lambda network, inputs: logits(network, inputs).log_softmax(axis)
    if kind == "logits" and end is not None:
        return _logits
    if kind == "probabilities" and end == "sigmoid":
        return _logits  # the criterion applies the sigmoid, where it can do so without losing digits
    if end == "logsoftmax" and (kind == "probabilities" or (kind == "values" and classes)):
        return lambda network, inputs: network(inputs).exp()
    return plain_output


def select_predictions(
    name: str, entry: LossEntry, options: dict[str, Any], task: Task, end: str | None
) -> Callable[[torch.Tensor], torch.Tensor | None]:
    """From the outputs that the loss compares to what the metrics of the task take; transcripts have none."""
    if entry.target == "sequences":
        return lambda outputs: None
    if entry.output == "means and variances":
        return lambda outputs: outputs.chunk(2, dim=1)[0]
    if name == "PoissonNLLLoss" and options.get("log_input", True):
        return torch.exp
    if name == "KLDivLoss" and task == "regression" and not options.get("log_target"):
        return torch.exp
    if name == "BCELoss" and end == "sigmoid":
        return torch.sigmoid
    if task == "multilabel":
        return torch.sigmoid if entry.output == "logits" else (lambda outputs: outputs.clamp(0, 1))
    return lambda outputs: outputs


def plain_output(network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """The network's output as it is."""
    outputs: torch.Tensor = network(inputs)
    return outputs


def _logits(network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    outputs: torch.Tensor = network.logits(inputs)  # type: ignore[operator]
    return outputs
