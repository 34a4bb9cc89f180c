"""Checks before the first batch: refuse a loss that does not fit the data or the network's output."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from runtime.errors import SpecError, ToolkitError
from toolkit.data.dataset import IGNORED, Dataset
from toolkit.training.losses.loss import Loss
from toolkit.training.losses.registry import LossEntry

__all__ = ["check_targets", "dry_run", "evaluation_mode", "refuse"]


def refuse(name: str, reason: str, remedy: str) -> SpecError:
    """SpecError of a loss that does not fit, with reason and remedy."""
    return SpecError(f"The loss {name!r} does not fit: {reason} {remedy}")


def check_targets(name: str, entry: LossEntry, options: dict[str, Any], data: Dataset) -> None:
    """Check all targets of the data. Raises SpecError when one is out of the range that the loss takes."""
    targets, count = data.targets, len(data.labels)
    if not len(targets):
        raise SpecError("The data holds no examples to train on. Load some.")
    if data.task == "classification":
        if count < 2:
            raise refuse(
                name,
                f"the data has one class alone, {data.labels[0]!r}." if count else "the data has no classes.",
                "At least two are expected, to be told apart.",
            )
        _in_range(name, targets, count)
    elif data.task == "dense":
        known = targets[targets != options.get("ignore_index", IGNORED)] if entry.target == "classes" else targets
        if entry.target == "sequences":
            _check_transcripts(name, options, targets, count)
            known = targets[targets >= 0]
        _in_range(name, known, count)
    elif data.task == "multilabel" and not np.isin(targets, (0, 1)).all():
        wrong = targets[~np.isin(targets, (0, 1))][0]
        raise refuse(name, f"a label is {wrong:g}.", "Labels that hold are 1, others 0.")
    elif data.task == "embedding":
        wanted = (2, 3) if entry.target == "pairs" else (3,) if entry.target == "triplets" else (2,)
        if data.views not in wanted:
            given = {2: "pairs", 3: "triplets"}.get(data.views, f"{data.views} views each")
            meant = "triplets" if wanted == (3,) else "pairs"
            others = "CosineEmbeddingLoss or HingeEmbeddingLoss" if data.views == 2 else "TripletMarginLoss"
            raise refuse(name, f"it wants {meant}, and the data holds {given}.", f"Use {others}.")
        if data.views == 2 and not np.isin(targets, (-1, 1)).all():
            wrong = targets[~np.isin(targets, (-1, 1))][0]
            raise refuse(name, f"the target of a pair is {wrong:g}.", "Pairs that are alike have 1, others -1.")
    elif data.task == "regression":
        _check_numbers(name, options, targets)


def _in_range(name: str, targets: np.ndarray, count: int) -> None:
    if targets.size and (targets.min() < 0 or targets.max() >= count):
        wrong = targets.min() if targets.min() < 0 else targets.max()
        raise refuse(
            name,
            f"the label {wrong} occurs, and there are {count} classes.",
            f"Labels from 0 to {count - 1} are expected ({IGNORED} where a position has none).",
        )


def _check_transcripts(name: str, options: dict[str, Any], targets: np.ndarray, count: int) -> None:
    blank = options.get("blank", 0)
    if not isinstance(blank, int) or not 0 <= blank <= count:
        raise refuse(name, f"blank={blank!r} was given.", f"A whole number from 0 to {count} is expected.")
    if (targets == blank).any():
        raise refuse(
            name,
            f"class {blank} is the blank, and it occurs in the targets.",
            f"Give a class of its own for it: {{'name': 'CTCLoss', 'blank': {count}}} and {count + 1} outputs a step.",
        )
    known = targets >= 0
    if (known[:, 1:] & ~known[:, :-1]).any() or not known.any(1).all():
        raise refuse(
            name, "a transcript is empty, or has a gap.", f"Classes first, then {IGNORED} to the end, are expected."
        )


def _check_numbers(name: str, options: dict[str, Any], targets: np.ndarray) -> None:
    lowest, highest = float(targets.min()), float(targets.max())
    if name == "PoissonNLLLoss" and lowest < 0:
        raise refuse(
            name, f"a target is {lowest:g}.", "Counts of at least 0 are expected; for other values use MSELoss."
        )
    if name == "BCELoss" and not (lowest >= 0 and highest <= 1):
        wrong = lowest if lowest < 0 else highest
        raise refuse(name, f"a target is {wrong:g}.", "Numbers from 0 to 1 are expected; for other values use MSELoss.")
    if name == "KLDivLoss":
        shares = np.exp(targets.astype(float)) if options.get("log_target") else targets.astype(float)
        sums = shares.reshape(len(shares), -1).sum(1)
        if (shares < 0).any() or not np.allclose(sums, 1, atol=1e-3):
            wrong = int(np.abs(sums - 1).argmax())
            raise refuse(
                name,
                f"the targets of example {wrong} are no distribution (they sum to {sums[wrong]:g}).",
                "Numbers of at least 0 that sum to 1 in each row are expected; for other values use MSELoss.",
            )


def dry_run(loss: Loss, entry: LossEntry | None, data: Dataset, *, soft_targets: bool = False) -> None:
    """Run network and loss on two examples in evaluation mode; modes, gradients and random state are unchanged.

    Raises:
        SpecError: the output has another shape or kind than the loss takes; or the loss is not a finite
            number, or cannot be computed.
    """
    positions = torch.tensor([0, min(1, len(data) - 1)])
    inputs, targets = data.inputs.take(positions), torch.from_numpy(data.targets[positions.numpy()])
    if soft_targets and not targets.is_floating_point():
        targets = torch.nn.functional.one_hot(targets, len(data.labels)).float()
    parameter = next(loss.network.parameters(), torch.empty(0))
    inputs, targets = inputs.to(parameter.device), targets.to(parameter.device)
    name = str(loss.options.get("function", loss.name)) if entry is None else loss.name
    with evaluation_mode(loss.network, parameter.device):
        try:
            with torch.no_grad():
                outputs = loss.forward(inputs)
        except ToolkitError:
            raise
        except Exception as error:  # a user's own module may raise anything
            raise SpecError(
                f"The network cannot run on the data, whose inputs are of shape (batch, {', '.join(map(str, inputs.shape[1:]))}): "
                f"{_reason(error)}."
            ) from error
        if not isinstance(outputs, torch.Tensor):
            raise refuse(name, f"the network gives a {type(outputs).__name__}.", "One tensor is expected.")
        if entry is not None:
            _check_shape(loss.name, entry, loss.options, data, outputs)
            _check_kind(loss, entry, outputs)
        outputs = outputs.detach().requires_grad_()
        try:
            value = loss(outputs, targets)
        except ToolkitError:
            raise
        except Exception as error:  # a user's own function may raise anything
            raise SpecError(
                f"The loss {name!r} cannot be computed on outputs of shape {_shape(outputs)} and targets of shape "
                f"{_shape(targets)}: {_reason(error)}."
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


def _check_shape(name: str, entry: LossEntry, options: dict[str, Any], data: Dataset, outputs: torch.Tensor) -> None:
    """Compare the output's shape with that of the targets; axis 0 are the two examples. Raises SpecError."""
    given, classes = tuple(outputs.shape[1:]), len(data.labels)
    if entry.target == "sequences":
        widths = {classes, classes + 1} if options.get("blank", 0) == classes else {classes}
        width = max(widths)
        longest = int((data.targets >= 0).sum(1).max())
        if len(given) != 2 or given[1] != width:
            raise refuse(
                name,
                f"the network gives {_batch(given)}.",
                f"(batch, steps, {width}) is expected: {classes} classes{' and the blank' if width > classes else ''}.",
            )
        repeats = (data.targets[:, 1:] == data.targets[:, :-1]) & (data.targets[:, 1:] >= 0)
        needed = int(((data.targets >= 0).sum(1) + repeats.sum(1)).max())
        if given[0] < needed and not options.get("zero_infinity"):
            raise refuse(
                name,
                f"the network gives {given[0]} steps, and a transcript of up to {longest} needs {needed}.",
                "Let the network keep more steps, or give zero_infinity=True to leave such examples out.",
            )
        return
    wanted: tuple[int, ...]
    if entry.output == "vectors":
        ends = 2 if data.task == "embedding" else 1
        if len(given) != ends:
            raise refuse(name, f"the network gives {_batch(given[ends - 1 :])}.", "Vectors (batch, D) are expected.")
        return
    if entry.output == "scores" and data.task == "embedding":
        wanted = (2, 1)
    elif data.task == "dense":
        places = data.targets.shape[1:]
        wanted = (*places, classes) if len(places) == 1 else (classes, *places)
    elif data.task == "regression":
        wanted = data.targets.shape[1:]
        if entry.output == "means and variances":
            wanted = (2 * wanted[0], *wanted[1:])
        if entry.output == "scores":
            wanted = (1,)
    else:
        wanted = (classes,)
    if given != wanted:
        what = {
            "classification": f"{classes} classes",
            "multilabel": f"{classes} labels",
            "dense": f"{classes} classes at each position",
            "embedding": "one score for each of a pair",
        }.get(data.task, f"{' x '.join(map(str, data.targets.shape[1:]))} targets")
        extra = ", a mean and a variance for each" if entry.output == "means and variances" else ""
        extra = ", of which it ranks one" if entry.output == "scores" and data.task == "regression" else extra
        raise refuse(name, f"the network gives {_batch(given)}.", f"{_batch(wanted)} is expected for {what}{extra}.")
    if entry.output == "scores" and data.task == "regression" and data.targets.shape[1:] != (1,):
        raise refuse(
            name, f"the data has {data.targets.shape[1]} targets.", "It ranks by one; use MSELoss for several."
        )


def _check_kind(loss: Loss, entry: LossEntry, outputs: torch.Tensor) -> None:
    """Raise SpecError for outputs that are not probabilities or log-probabilities where the loss needs them."""
    if entry.output == "log-probabilities":
        axis = outputs.ndim - 1 if loss.task == "dense" and outputs.ndim == 3 else 1
        if not bool((outputs.exp().sum(axis) - 1).abs().max() < 1e-3):
            raise refuse(
                loss.name,
                "it wants logarithms of probabilities, and the network's outputs are none.",
                "End the network in logsoftmax or softmax, or use CrossEntropyLoss, which takes logits."
                if loss.task in ("classification", "dense")
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
                + (", or use BCEWithLogitsLoss, which takes logits." if loss.task != "regression" else "."),
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


def _shape(tensor: torch.Tensor) -> str:
    return f"({', '.join(map(str, tensor.shape))})"


def _batch(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['batch', *map(str, shape)])})"
