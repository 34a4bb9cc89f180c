"""Network outputs for a loss (logits, log-probabilities or the plain output), and predictions for metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch

from toolkit.tasks.registry import find_task
from toolkit.training.losses.registry import LossEntry, OutputKind

__all__ = ["Select", "ending", "plain_output", "scaled_output", "select_outputs", "select_predictions"]

# (network, inputs) -> outputs
Select: TypeAlias = Callable[[torch.nn.Module, Any], Any]


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
    name: str, entry: LossEntry, options: dict[str, Any], task: str, end: str | None
) -> Callable[[Any], Any]:
    """Select the function from the loss's outputs to predictions for metrics; for transcripts it returns None."""
    if name == "BCELoss" and end == "sigmoid":
        return torch.sigmoid
    found = find_task(task)
    return lambda outputs: found.answer(outputs, name, entry, options)


def plain_output(network: torch.nn.Module, inputs: Any) -> Any:
    """The network's output as it is. Several inputs come as a tuple."""
    return network(*inputs) if isinstance(inputs, tuple) else network(inputs)


def scaled_output(network: torch.nn.Module, inputs: Any) -> Any:
    """The output of one of our networks in deviations of its targets, before its `target_scaling`."""
    return network.scaled(*(inputs if isinstance(inputs, tuple) else (inputs,)))  # type: ignore[operator]


def _logits(network: torch.nn.Module, inputs: Any) -> torch.Tensor:
    several = inputs if isinstance(inputs, tuple) else (inputs,)
    outputs: torch.Tensor = network.logits(*several)  # type: ignore[operator]
    return outputs
