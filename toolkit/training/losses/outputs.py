"""Network outputs for a loss (logits, log-probabilities or the plain output), and predictions for metrics."""

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
    """Select the forward pass whose output a loss takes.

    Args:
        kind: the kind of output that the loss takes.
        end: the network's final activation, or None.
        axis: class axis of the output.
        classes: True if the targets are classes, so that a loss of values compares probabilities.
        make_logarithms: True to apply a log-softmax to a plain output too.
    """
    softmax = end in ("softmax", "logsoftmax")
    if kind == "log-probabilities" and (softmax or make_logarithms):
        logits = _logits if end else plain_output
        return lambda network, inputs: logits(network, inputs).log_softmax(axis)
    if kind == "logits" and end is not None:
        return _logits
    if kind == "probabilities" and end == "sigmoid":
        return _logits  # the criterion applies the sigmoid, without loss of precision
    if end == "logsoftmax" and (kind == "probabilities" or (kind == "values" and classes)):
        return lambda network, inputs: network(inputs).exp()
    return plain_output


def select_predictions(
    name: str, entry: LossEntry, options: dict[str, Any], task: Task, end: str | None
) -> Callable[[torch.Tensor], torch.Tensor | None]:
    """Select the function from the loss's outputs to predictions for metrics; for transcripts it returns None."""
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
