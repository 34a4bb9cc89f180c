"""Criteria: (outputs, targets of the data set) -> scalar, torch's losses with targets in the form they take."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import torch

from toolkit.builder.target_scaling import TargetScaling
from toolkit.training.losses import pairs
from toolkit.training.losses import targets as shaped
from toolkit.training.losses.distances import euclidean
from toolkit.training.losses.registry import Scaling

__all__ = [
    "Criterion",
    "Module",
    "Units",
    "class_total",
    "in_units",
    "of_class_indices",
    "of_classes",
    "of_gaussians",
    "of_pairs",
    "of_presence",
    "of_ranks",
    "of_scaled",
    "of_sequences",
    "of_triplets",
    "of_values",
]

Criterion: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
# (loss, outputs, targets), all in deviations of the targets -> loss in the data's units
Units: TypeAlias = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class Module(Protocol):
    """Callable of one of torch's losses."""

    def __call__(self, *arguments: torch.Tensor) -> torch.Tensor: ...


class ClassModule(Module, Protocol):
    """Callable of one of torch's classification losses."""

    weight: torch.Tensor | None
    ignore_index: int


def of_values(module: Module, shape: Criterion = shaped.indicators) -> Criterion:
    """A loss that compares element by element; `shape` makes its targets from (targets, outputs)."""
    return lambda outputs, targets: module(outputs, shape(targets, outputs))


def of_scaled(criterion: Criterion, scaling: TargetScaling) -> Criterion:
    """A criterion of outputs in deviations of the targets, given the targets in the data's units."""
    return lambda outputs, targets: criterion(outputs, scaling.scale(targets))


def in_units(grows: Scaling, module: Any, scaling: TargetScaling, *, average: bool) -> Units:
    """The loss of scaled targets in the data's units: the share of each target in its own, as `LossEntry.scaling` says."""
    if grows == "likelihood":  # a density of a variable that is std times as large is as many times smaller
        offset = float(scaling.std.double().log().mean())
        return lambda value, outputs, targets: value + offset * (1 if average else targets.numel())
    factors = (scaling.std.double() ** (2 if grows == "square" else 1)).float()
    if len(factors) == 1:
        factor = float(factors)
        return lambda value, outputs, targets: value * factor
    each = copy.copy(module)
    each.reduction = "none"

    def several(value: torch.Tensor, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        losses: torch.Tensor = each(outputs, targets) * factors.to(outputs.device)
        return losses.mean() if average else losses.sum()

    return several


def of_presence(reduction: str, weights: torch.Tensor) -> Criterion:
    """Binary cross-entropy of probabilities, where the positive term of class k is weighted by `weights[k]`."""

    def criterion(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        wanted = shaped.indicators(targets, outputs)
        weight = 1 + (weights.to(outputs) - 1) * wanted
        return torch.nn.functional.binary_cross_entropy(outputs, wanted, weight, reduction=reduction)

    return criterion


def of_classes(module: ClassModule, *, sequences: bool) -> Criterion:
    """Cross-entropy or negative log-likelihood: the sum divided by the total weight of the positions with a class.

    Equals torch's mean, except that it is 0, not 0 / 0, where no position has a class.

    Args:
        module: the loss with reduction="sum".
        sequences: outputs are (B, L, K); otherwise (B, K) or (B, K, H, W).
    """

    def criterion(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        outputs = outputs.movedim(-1, 1) if sequences else outputs
        if targets.is_floating_point():  # shares of the classes
            return module(outputs, targets.to(outputs.dtype)) / len(targets)
        total = class_total(module.weight, module.ignore_index, targets)
        return module(outputs, targets) / total.clamp_min(torch.finfo(outputs.dtype).tiny)

    return criterion


def of_class_indices(module: Module, *, sequences: bool) -> Criterion:
    """A loss of logits and class indices, or soft targets (B, K), with the module's own reduction.

    Args:
        module: the loss.
        sequences: outputs are (B, L, K); otherwise (B, K) or (B, K, H, W).
    """

    def criterion(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        outputs = outputs.movedim(-1, 1) if sequences else outputs
        return module(outputs, targets.to(outputs.dtype) if targets.is_floating_point() else targets)

    return criterion


def class_total(weights: torch.Tensor | None, ignored: int, targets: torch.Tensor) -> torch.Tensor:
    """Sum of the class weights (K,) over all positions with a class; without weights, the number of these positions."""
    counts = targets != ignored
    if weights is None:
        return counts.sum()
    return (weights.to(targets.device)[targets.where(counts, 0)] * counts).sum()


def of_gaussians(module: Module) -> Criterion:
    """Gaussian negative log-likelihood of outputs (B, 2 T): means, then variances before softplus."""

    def criterion(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        means, spread = outputs.chunk(2, dim=1)
        return module(means, targets.to(outputs.dtype), torch.nn.functional.softplus(spread))

    return criterion


def of_sequences(module: Module) -> Criterion:
    """Connectionist temporal classification: logits (B, L, K), transcripts (B, S) padded with a negative number.

    Steps at a row's end whose logits are all zero are padding, as a network gives them that leaves padding out.
    """

    def criterion(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        logarithms = outputs.log_softmax(-1).transpose(0, 1)  # (L, B, K)
        real = (outputs != 0).any(-1)  # (B, L)
        places = torch.arange(1, outputs.shape[1] + 1, device=outputs.device)
        last = (places * real).amax(1)
        lengths = torch.where(last > 0, last, outputs.shape[1])  # (B,)
        return module(logarithms, targets.clamp_min(0), lengths, (targets >= 0).sum(1))

    return criterion


def of_triplets(module: Module, *, average: bool) -> Criterion:
    """A loss of (anchor, positive, negative), made with reduction="none"."""

    def criterion(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        anchor, positive, negative, counts = pairs.triplets(outputs, targets)
        return _reduce(module(anchor, positive, negative), counts, average)

    return criterion


def of_pairs(module: Module, *, average: bool) -> Criterion:
    """A loss of (first, second, sign), or of (distance, sign), made with reduction="none"."""
    by_distance = isinstance(module, torch.nn.HingeEmbeddingLoss)

    def criterion(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        first, second, sign, counts = pairs.pairs(outputs, targets)
        losses = module(euclidean(first, second), sign) if by_distance else module(first, second, sign)
        return _reduce(losses, counts, average)

    return criterion


def of_ranks(module: Module, *, average: bool) -> Criterion:
    """A loss of (higher score, lower score, sign), made with reduction="none".

    Outputs (B, 2, 1) are pairs of scores; (B, 1) with numbers are compared with the batch's next; of logits (B, K) with
    classes, those for the class of the example are compared with those of the next example of another class.
    """

    def criterion(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if outputs.ndim == 3:
            first, second = outputs.squeeze(-1).unbind(1)
            sign = targets.to(outputs.dtype)
        elif targets.is_floating_point():
            first, second = outputs.flatten(), outputs.flatten().roll(-1)
            sign = (targets - targets.roll(-1, 0)).flatten().sign().to(outputs.dtype)
        else:
            near = pairs.neighbours(targets)
            first = outputs.gather(1, targets[:, None]).flatten()
            second = outputs[near.negative].gather(1, targets[:, None]).flatten()
            sign = near.has_negative.to(outputs.dtype)
        return _reduce(module(first, second, sign), sign != 0, average)  # equal ones have no order

    return criterion


def _reduce(losses: torch.Tensor, counts: torch.Tensor, average: bool) -> torch.Tensor:
    """Sum or mean of the losses (M,) that count; zero, still part of the graph, where none does."""
    total = losses.where(counts, 0).sum()
    return total / counts.sum().clamp_min(1) if average else total
