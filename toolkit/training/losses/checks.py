"""Checks before the first batch: refuse a loss that does not fit the data or the network's output."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from runtime.errors import SpecError, ToolkitError
from toolkit.data.dataset import Dataset
from toolkit.data.ragged_targets import as_targets
from toolkit.data.tensors import first_tensor, map_tensors
from toolkit.tasks.refusal import batch_text, refuse
from toolkit.tasks.registry import find_task
from toolkit.training.losses.loss import Loss
from toolkit.training.losses.registry import LossEntry

__all__ = ["dry_run", "evaluation_mode"]


def dry_run(loss: Loss, entry: LossEntry | None, data: Dataset, *, soft_targets: bool = False) -> None:
    """Run network and loss on two examples in evaluation mode; modes, gradients and random state are unchanged.

    Raises:
        SpecError: the output has another shape or kind than the loss takes; or the loss is not a finite
            number, or cannot be computed.
    """
    positions = torch.tensor([0, min(1, len(data) - 1)])
    inputs, targets = data.inputs.take(positions), as_targets(data.targets).take(positions)
    if soft_targets and not targets.is_floating_point():
        targets = torch.nn.functional.one_hot(targets, len(data.labels)).float()
    parameter = next(loss.network.parameters(), torch.empty(0))
    inputs, targets = (map_tensors(lambda tensor: tensor.to(parameter.device), part) for part in (inputs, targets))
    name = str(loss.options.get("function", loss.name)) if entry is None else loss.name
    with evaluation_mode(loss.network, parameter.device):
        try:
            with torch.no_grad():
                outputs = loss.forward(inputs)
        except ToolkitError:
            raise
        except Exception as error:  # a user's own module may raise anything
            raise SpecError(
                f"The network cannot run on the data, whose inputs are of shape {_batches(inputs)}: {_reason(error)}."
            ) from error
        several = (
            entry is None and first_tensor(outputs) is not None
        )  # a function of one's own is given them as they are
        if not isinstance(outputs, torch.Tensor) and not several:
            raise refuse(name, f"the network gives a {type(outputs).__name__}.", "One tensor is expected.")
        if entry is not None:
            find_task(data.task).check_output(loss.name, entry, loss.options, data, tuple(outputs.shape[1:]))
            _check_kind(loss, entry, outputs)
        outputs = map_tensors(_leaf, outputs)
        try:
            value = loss(outputs, targets)
        except ToolkitError:
            raise
        except Exception as error:  # a user's own function may raise anything
            raise SpecError(
                f"The loss {name!r} cannot be computed on outputs of shape {_shapes(outputs)} and targets of shape "
                f"{_shapes(targets)}: {_reason(error)}."
            ) from error
    if not isinstance(value, torch.Tensor) or value.ndim != 0:
        given = f"shape {_shape(value)}" if isinstance(value, torch.Tensor) else f"a {type(value).__name__}"
        raise refuse(name, f"it gives {given}.", "A tensor of a single number is expected, such as loss.mean().")
    if loss.name != "own" and not value.requires_grad:
        raise refuse(name, "it does not depend on the outputs.", "Compute it with torch from the outputs.")
    if not bool(torch.isfinite(value)):
        raise refuse(
            name,
            f"on two examples it is {float(value.detach())}.",
            "Look for inputs and targets that are too large or missing.",
        )


def _check_kind(loss: Loss, entry: LossEntry, outputs: torch.Tensor) -> None:
    """Raise SpecError for outputs that are not probabilities or log-probabilities where the loss needs them."""
    if entry.output == "log-probabilities":
        axis = find_task(loss.task).class_axis(outputs.ndim)
        if not bool((outputs.exp().sum(axis) - 1).abs().max() < 1e-3):
            raise refuse(
                loss.name,
                "it wants logarithms of probabilities, and the network's outputs are none.",
                "End the network in logsoftmax or softmax, or use CrossEntropyLoss, which takes logits."
                if "CrossEntropyLoss" in find_task(loss.task).losses
                else "End the network in softmax or logsoftmax.",
            )
    elif entry.output == "probabilities" and not isinstance(loss.module, torch.nn.BCEWithLogitsLoss):
        last = _last_module(loss.network)
        bounded = isinstance(last, torch.nn.Hardsigmoid | torch.nn.Softmax | torch.nn.LogSoftmax | torch.nn.Sigmoid)
        # a linear layer may give two numbers between 0 and 1 by chance, and others later
        other = type(last).__module__.startswith("torch.nn") and not bounded and hasattr(loss.network, "logits")
        if other or not bool(((outputs >= 0) & (outputs <= 1)).all()):
            raise refuse(
                loss.name,
                "it wants probabilities from 0 to 1, and the network's outputs are none.",
                "End the network in sigmoid or softmax"
                + (
                    ", or use BCEWithLogitsLoss, which takes logits."
                    if "BCEWithLogitsLoss" in find_task(loss.task).losses
                    else "."
                ),
            )


def _last_module(network: torch.nn.Module) -> torch.nn.Module:
    """The module that makes the outputs; a user's own module is not searched, as its forward is unknown."""
    shaping = (torch.nn.Flatten, torch.nn.Unflatten, torch.nn.Identity)  # another shape, the same numbers
    last = network
    while isinstance(last, torch.nn.Sequential):
        inner = [module for module in last if not isinstance(module, shaping)]
        if not inner:
            return last
        last = inner[-1]
    known = type(last).__module__.partition(".")[0] in ("torch", "torchvision", "model_zoo", "toolkit")
    return list(last.modules())[-1] if known else last


def _reason(error: Exception) -> str:
    """An exception's text on one line, with its class where the text alone says little."""
    text = " ".join(str(error).split()).rstrip(".")
    return (
        text if isinstance(error, RuntimeError | TypeError | ValueError) and text else f"{type(error).__name__}: {text}"
    )


@contextlib.contextmanager
def evaluation_mode(network: torch.nn.Module, device: torch.device) -> Iterator[None]:
    """Context manager: evaluation mode; the modes of all modules and the random states are restored."""
    modes = {module: module.training for module in network.modules()}
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        network.eval()
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode


def _leaf(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers, of which a gradient can be asked where they are real numbers."""
    return tensor.detach().requires_grad_(tensor.is_floating_point())


def _batches(inputs: Any) -> str:
    """The shape of one input, or of each of several, with the batch axis by name."""
    if isinstance(inputs, tuple):
        return ", ".join(map(_batches, inputs))
    return batch_text(tuple(inputs.shape[1:]))


def _shapes(value: Any) -> str:
    """The shape of a tensor, or those of the tensors in a mapping, tuple or list."""
    if isinstance(value, torch.Tensor):
        return _shape(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shapes(part)}" for name, part in value.items())
    return ", ".join(map(_shapes, value)) if isinstance(value, list | tuple) else type(value).__name__


def _shape(tensor: torch.Tensor) -> str:
    return f"({', '.join(map(str, tensor.shape))})"
