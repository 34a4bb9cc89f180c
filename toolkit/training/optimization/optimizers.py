"""Optimisers by name, torch's own, each with its usual learning rate and with torch's own options."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from runtime.errors import SpecError
from toolkit.training.named import check_options, find_name, join_named, split_named
from toolkit.training.settings import Named

__all__ = ["OPTIMIZERS", "OptimizerEntry", "find_optimizer", "make_optimizer", "needs_closure", "usual_rate"]


@dataclass(frozen=True)
class OptimizerEntry:
    """One optimiser.

    Attributes:
        constructor: torch's class.
        rate: the usual learning rate, for a batch of some tens of examples.
        doc: description and source, for the reference page.
        defaults: options that differ from torch's own.
        fused: the kinds of device on which one kernel may update all parameters instead of several for each.
        sparse: True if it takes the sparse gradients of embeddings only.
        closure: True if `step` needs a closure that recomputes the loss.
    """

    constructor: type[torch.optim.Optimizer]
    rate: float
    doc: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fused: tuple[str, ...] = ()
    sparse: bool = False
    closure: bool = False

    @property
    def decays(self) -> bool:
        """True if the optimiser has a weight decay option."""
        return "weight_decay" in inspect.signature(self.constructor).parameters


_BOTH = ("cpu", "cuda")
OPTIMIZERS: dict[str, OptimizerEntry] = {
    "sgd": OptimizerEntry(
        torch.optim.SGD,
        0.01,
        "Stochastic gradient descent with momentum 0.9 (Sutskever et al. 2013); nesterov=True looks ahead.",
        defaults={"momentum": 0.9},
        fused=_BOTH,
    ),
    "adam": OptimizerEntry(torch.optim.Adam, 0.001, "Adaptive moments (Kingma and Ba 2015).", fused=_BOTH),
    "adamw": OptimizerEntry(
        torch.optim.AdamW, 0.001, "Adam with decoupled weight decay (Loshchilov and Hutter 2019).", fused=_BOTH
    ),
    "adamax": OptimizerEntry(torch.optim.Adamax, 0.002, "Adam with the largest gradient seen (Kingma and Ba 2015)."),
    "nadam": OptimizerEntry(torch.optim.NAdam, 0.002, "Adam with Nesterov momentum (Dozat 2016)."),
    "radam": OptimizerEntry(torch.optim.RAdam, 0.001, "Adam with a rectified start (Liu et al. 2020)."),
    "sparseadam": OptimizerEntry(
        torch.optim.SparseAdam,
        0.001,
        "Adam for embeddings with sparse=True: only the rows that occurred in a batch are touched.",
        sparse=True,
    ),
    "adagrad": OptimizerEntry(
        torch.optim.Adagrad, 0.01, "Rates that fall with the gradients seen (Duchi et al. 2011).", fused=("cpu",)
    ),
    "adadelta": OptimizerEntry(torch.optim.Adadelta, 1.0, "Adagrad over a moving window (Zeiler 2012)."),
    "rmsprop": OptimizerEntry(
        torch.optim.RMSprop, 0.001, "Gradients over their moving root mean square (Hinton 2012)."
    ),
    "rprop": OptimizerEntry(
        torch.optim.Rprop, 0.01, "Steps from the gradients' signs, for whole-set batches (Riedmiller and Braun 1993)."
    ),
    "asgd": OptimizerEntry(torch.optim.ASGD, 0.01, "Averaged gradient descent (Polyak and Juditsky 1992)."),
    "lbfgs": OptimizerEntry(
        torch.optim.LBFGS,
        1.0,
        "Quasi-Newton steps from the last gradients (Liu and Nocedal 1989), with the step's length searched along the line. "
        "For batches of the whole set: on small ones it follows each to its end, and goes astray.",
        defaults={"line_search_fn": "strong_wolfe"},
        closure=True,
    ),
}

# decided by the training itself, or without effect on the result of a step
_HIDDEN = ("params", "lr", "weight_decay", "foreach", "capturable", "differentiable", "maximize")


def find_optimizer(setting: Named) -> Named:
    """The setting with the registered name and checked options, plain values that JSON can hold.

    Args:
        setting: a name without regard to case, or a mapping with ``name`` and options as torch names them.

    Raises:
        SpecError: an unknown name or option, or a value that torch refuses.
    """
    key, options = _parse(setting)
    return join_named(key, options)


def needs_closure(setting: Named) -> bool:
    """True if the optimiser's `step` needs a closure that recomputes loss and gradients. Raises SpecError."""
    return OPTIMIZERS[_parse(setting)[0]].closure


def usual_rate(setting: Named) -> float:
    """The optimiser's usual learning rate. Raises SpecError as `find_optimizer`."""
    return OPTIMIZERS[_parse(setting)[0]].rate


def make_optimizer(
    setting: Named,
    groups: Iterable[torch.nn.Parameter] | list[dict[str, Any]],
    lr: float | None,
    weight_decay: float,
    peak: float = 1.0,
) -> torch.optim.Optimizer:
    """Build an optimiser.

    Args:
        setting: as `find_optimizer` takes it.
        groups: parameters, or groups as `toolkit.training.optimization.parameter_groups` makes them.
        lr: learning rate of the groups that have none of their own; None takes `peak` times the usual one.
        weight_decay: of the groups that have none of their own.
        peak: the schedule's highest rate as a multiple of the usual one.

    Raises:
        SpecError: as `find_optimizer`, or a weight decay or several groups for an optimiser that takes none.
    """
    key, options = _parse(setting)
    entry = OPTIMIZERS[key]
    entries: list[Any] = [dict(group) if isinstance(group, dict) else group for group in groups]
    decays = [weight_decay, *(group.get("weight_decay", 0.0) for group in entries if isinstance(group, dict))]
    if not entry.decays:
        if any(decays):
            taking = ", ".join(name for name, other in OPTIMIZERS.items() if other.decays)
            raise SpecError(
                f"The optimiser {key!r} takes no weight_decay; these do: {taking}. Leave weight_decay at 0."
            )
        for group in entries:
            if isinstance(group, dict):
                group.pop("weight_decay", None)
    if key == "lbfgs":
        entries = _one_group(entries)
    parameters = [
        parameter for group in entries for parameter in (group["params"] if isinstance(group, dict) else [group])
    ]
    devices = {parameter.device.type for parameter in parameters}
    extra: dict[str, Any] = {"weight_decay": weight_decay} if entry.decays else {}
    if entry.fused and devices <= set(entry.fused):
        extra["fused"] = True
    rate = peak * entry.rate if lr is None else lr
    return entry.constructor(entries, **{**extra, **entry.defaults, **options}, lr=rate)  # type: ignore[call-arg]


def _parse(setting: Named) -> tuple[str, dict[str, Any]]:
    name, options = split_named(setting, "optimiser")
    key = find_name(name, OPTIMIZERS, "optimiser")
    entry = OPTIMIZERS[key]
    for own in ("lr", "weight_decay"):
        if own in options:
            raise SpecError(
                f"The optimiser {key!r} was given {own} among its options; it is a setting of the training: train({own}=...)."
            )
    checked = check_options(entry.constructor, options, f"The optimiser {key!r}", _HIDDEN)
    if checked:
        try:
            entry.constructor([torch.nn.Parameter(torch.zeros(1))], **{**entry.defaults, **checked})
        except (RuntimeError, TypeError, ValueError) as error:
            raise SpecError(f"The optimiser {key!r} cannot take {checked}: {error}.") from error
    return key, checked


def _one_group(entries: list[Any]) -> list[Any]:
    """Merge the groups into one for LBFGS, which takes a single group. Raises SpecError when their rates differ."""
    groups = [group for group in entries if isinstance(group, dict)]
    if not groups:
        return entries
    rates = {group["lr"] for group in groups if "lr" in group}
    if len(rates) > 1:
        raise SpecError("The optimiser 'lbfgs' has one learning rate for all layers; leave rates= out or take another.")
    merged: dict[str, Any] = {"params": [parameter for group in groups for parameter in group["params"]]}
    return [merged | ({"lr": rates.pop()} if rates else {})]
