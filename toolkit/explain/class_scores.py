"""Class scores before a final softmax or sigmoid, and probabilities from them."""

from __future__ import annotations

from typing import Any

import torch

from runtime.errors import SpecError
from toolkit.explain.evaluation import run
from toolkit.explain.hooks import first_tensor, record_calls

__all__ = ["class_scores", "class_with_score", "probabilities"]

_FINAL = (torch.nn.Softmax, torch.nn.LogSoftmax, torch.nn.Sigmoid)


def class_scores(network: torch.nn.Module, tensor: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """Class scores (N, K) for inputs (N, ...), and True if the network ends in a sigmoid (independent classes).

    Where the network's last module is a softmax, a log-softmax or a sigmoid, the scores are its input: after it,
    the gradient of a confident decision has vanished.

    Raises:
        SpecError: the network does not give one row of class scores for each input.
        InputError: the network cannot take the inputs.
    """
    with record_calls(network, *_FINAL) as calls:
        result: Any = run(network, tensor)
    output = first_tensor(result)
    if output is None or output.ndim != 2 or output.shape[0] != tensor.shape[0]:
        shape = type(result).__name__ if output is None else f"an output of shape {tuple(output.shape)}"
        raise SpecError(
            f"The network gives {shape} for {len(tensor)} inputs; one row of class scores (N, K) is expected, as a "
            f"network that tells classes apart gives it."
        )
    last = calls[-1] if calls and calls[-1].output is output else None
    if last is None:
        return output, False
    return last.input, isinstance(network.get_submodule(last.name), torch.nn.Sigmoid)


def probabilities(scores: torch.Tensor, independent: bool) -> torch.Tensor | None:
    """Scores (N, K) -> probabilities of the same shape: sigmoid of `independent` ones, else softmax; None for a single output."""
    if independent:
        return scores.sigmoid()
    return scores.softmax(1) if scores.shape[1] > 1 else None


def class_with_score(scores: torch.Tensor, target: int | None) -> int:
    """`target` after a check, or the class with the greatest of the scores (1, K). Raises SpecError."""
    count = scores.shape[1]
    if target is None:
        return int(scores[0].argmax())
    if not isinstance(target, int) or isinstance(target, bool) or not 0 <= target < count:
        raise SpecError(
            f"target={target!r} was given; the network has {count} classes: a whole number from 0 to {count - 1} is expected."
        )
    return target
