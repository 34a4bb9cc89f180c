"""Make a loss by name for a network and a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from runtime.errors import SpecError
from toolkit.data.dataset import Dataset
from toolkit.tasks.class_indices import weights_by_class
from toolkit.tasks.refusal import refuse
from toolkit.tasks.registry import find_task
from toolkit.tasks.task import OBJECTIVE
from toolkit.training.losses import criteria
from toolkit.training.losses import targets as shaped
from toolkit.training.losses.checks import dry_run
from toolkit.training.losses.loss import Loss
from toolkit.training.losses.outputs import ending, plain_output, scaled_output, select_outputs, select_predictions
from toolkit.training.losses.registry import LOSSES, LossEntry, default_loss, fitting
from toolkit.training.named import check_options, find_name, split_named
from toolkit.training.settings import Named

__all__ = ["LossFunction", "find_loss", "make_loss"]

LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

_HIDDEN = ("size_average", "reduce", "distance_function")
_OWN, _CALLABLE = "own", "callable"


def find_loss(loss: Named, task: str) -> tuple[str, dict[str, Any]]:
    """(torch's name, checked options) of a setting, looked up without case and with or without "Loss" at its end.

    Raises:
        SpecError: an unknown name or option, or a loss that is not for this task.
    """
    given, options = split_named(loss, "loss")
    name = find_name(given, LOSSES, "loss", ending="loss")
    entry = LOSSES[name]
    if name not in find_task(task).losses:
        known = fitting(task)
        remedy = f"Use one of: {known}." if known else "Give a function of (outputs, targets), or leave loss out."
        raise SpecError(f"The loss {given!r} does not fit {task}: its targets are of another kind. {remedy}")
    options = check_options(entry.constructor, options, f"The loss {name!r}", _HIDDEN)
    reductions = ("mean", "sum", "batchmean") if name == "KLDivLoss" else ("mean", "sum")
    if options.get("reduction", "mean") not in reductions:
        raise SpecError(
            f"The loss {name!r} was given reduction={options['reduction']!r}; a training needs one number a batch: "
            f"{' or '.join(map(repr, reductions))}."
        )
    return name, options


def make_loss(
    loss: Named | LossFunction,
    data: Dataset,
    network: torch.nn.Module,
    *,
    class_weights: torch.Tensor | None = None,
    soft_targets: bool = False,
) -> Loss:
    """Fit a loss to data and a network, and run it on two examples.

    A network that ends in softmax, logsoftmax or sigmoid is trained on its logits by losses that apply their own,
    and the log-probabilities and probabilities that others take are computed from the logits, without rounding. With
    ``reduction="sum"`` the examples of a batch are summed; accumulated batches and processes are still averaged.

    Args:
        loss: a name, a mapping with ``name`` and torch's options, or a function (outputs, targets) -> scalar, which gets
            the network's output and the data set's targets as they are.
        data: its task, targets and labels determine the form of the targets.
        network: neither its weights and modes nor the random state are changed.
        class_weights: float (K,), one weight per class, for losses whose entry in `LOSSES` has ``class_weights``; the binary
            cross-entropies take it as the weight of a label's presence (pos_weight).
        soft_targets: True if batches will have soft targets (B, K).

    Raises:
        SpecError: the loss does not fit the task, the targets, the network's output, or the other arguments.
    """
    if getattr(network, "has_own_loss", False):
        return _own_loss(loss, data, network)
    if isinstance(loss, type):
        raise SpecError(
            f"The loss {loss.__name__} is a class; an instance is expected: loss={loss.__name__}(), or its name."
        )
    if callable(loss):
        name = getattr(loss, "__qualname__", type(loss).__qualname__)
        made = Loss(_CALLABLE, {"function": name}, network, data.task, plain_output, loss, views=data.views)
        if class_weights is not None:
            raise refuse(name, "class_weights are for losses by name.", "Weigh the classes within the function.")
        dry_run(made, None, data)
        return made
    if str(split_named(loss, "loss")[0]).lower() == OBJECTIVE:
        return _objective(data, network, class_weights)
    _refuse_unnamed(loss)
    name, options = find_loss(loss, data.task)
    entry, task = LOSSES[name], find_task(data.task)
    if soft_targets and not entry.soft_targets:
        others = [other for other, known in LOSSES.items() if known.soft_targets and other in task.losses]
        raise refuse(name, "mixed examples have shares of several classes.", f"Use one of: {', '.join(others)}.")
    if name == "KLDivLoss" and options.get("log_target") and task.one_class:
        raise refuse(name, "log_target is for distributions, and the data has classes.", "Leave it out.")
    if not len(data):
        raise SpecError("The data holds no examples to train on. Load some.")
    task.check_targets(name, entry, options, data)
    weights = _class_weights(name, entry, options, class_weights, data)
    made = _build(name, entry, options, weights, data, network)
    dry_run(made, entry, data, soft_targets=soft_targets)
    return made


def _own_loss(loss: Named | LossFunction, data: Dataset, network: torch.nn.Module) -> Loss:
    """`Loss` of a network with its own (without targets, such as a diffusion model), computed in the forward pass."""
    if callable(loss) or str(split_named(loss, "loss")[0]).lower() not in (
        _OWN,
        default_loss(data.task, data.views).lower(),
    ):
        raise SpecError(f"The loss {loss!r} was given, but the network has its own. Leave loss out.")
    made = Loss(
        _OWN,
        {},
        network,
        data.task,
        lambda module, inputs: module.training_loss(inputs),  # type: ignore[operator]
        lambda outputs, targets: outputs,
        predict=lambda outputs: None,
    )
    dry_run(made, None, data)
    return made


def _objective(data: Dataset, network: torch.nn.Module, class_weights: torch.Tensor | None) -> Loss:
    """`Loss` of a task's own function."""
    function = find_task(data.task).loss_function
    if function is None:
        raise SpecError(
            f"The task {data.task!r} has no loss of its own. Give one: train(loss=...), a function of (outputs, targets)."
        )
    if class_weights is not None:
        raise refuse(OBJECTIVE, "class_weights are for losses by name.", "Weigh the classes within the function.")
    made = Loss(OBJECTIVE, {}, network, data.task, plain_output, function, views=data.views)
    dry_run(made, None, data)
    return made


def _refuse_unnamed(loss: Named) -> None:
    """Raise SpecError for a setting that names no loss of torch: "own", or a user's function."""
    name, options = split_named(loss, "loss")
    if str(name).lower() == _OWN:
        raise SpecError(
            "The loss 'own' is for networks with their own loss, such as a diffusion model; this one has none."
        )
    if str(name).lower().split(" ")[0] == _CALLABLE:
        function = options.get("function") or str(name)[len(_CALLABLE) :].strip()
        raise SpecError(
            f"The training used the function {function!r} as its loss. Give it again: train(loss={function})."
        )


def _class_weights(
    name: str, entry: LossEntry, options: dict[str, Any], class_weights: torch.Tensor | None, data: Dataset
) -> dict[str, torch.Tensor]:
    """Tensor options of the loss, one number per class each."""
    found = {}
    for option in ("weight", "pos_weight"):
        if options.get(option) is not None:
            found[option] = _numbers(name, option, options[option], data)
    if class_weights is None:
        return found
    task = find_task(data.task)
    if not entry.class_weights or task.classes is None:
        others = [other for other, known in LOSSES.items() if known.class_weights and other in task.losses]
        raise refuse(
            name, "it takes no class weights.", f"Leave class_weights out, or use one of: {', '.join(others)}."
        )
    option = "pos_weight" if name in ("BCELoss", "BCEWithLogitsLoss") else "weight"
    if option in found:
        raise refuse(name, f"class_weights and its option {option} were both given.", "Give one of them.")
    return {**found, option: _numbers(name, "class_weights", class_weights.tolist(), data)}


def _numbers(name: str, option: str, value: Any, data: Dataset) -> torch.Tensor:
    count = find_task(data.task).weight_count(data)
    if isinstance(value, Mapping):
        value = weights_by_class(value, data.labels, f"The option {option} of the loss {name!r}")
    numbers = value if isinstance(value, list) else [value]
    if len(numbers) != count or not all(isinstance(number, int | float) and 0 <= number < 1e30 for number in numbers):
        raise refuse(
            name, f"{option}={value!r} was given.", f"{count} numbers of at least 0 are expected, one a class."
        )
    if not any(numbers):
        raise refuse(
            name, f"{option}={value!r} was given.", "At least one number above 0 is expected, else nothing is learnt."
        )
    return torch.tensor(numbers, dtype=torch.float32)


def _build(
    name: str,
    entry: LossEntry,
    options: dict[str, Any],
    weights: dict[str, torch.Tensor],
    data: Dataset,
    network: torch.nn.Module,
) -> Loss:
    end, task = ending(network), find_task(data.task)
    axis = task.class_axis(data.targets.ndim + 1)
    # the number of examples, without looking at the targets, is what torch itself divides by
    gaps = name in ("CrossEntropyLoss", "NLLLoss") and (
        task.per_position or "weight" in weights or "ignore_index" in options
    )
    module, criterion = _criterion(name, entry, options, weights, end, sequences=axis == 2, gaps=gaps)
    predict = select_predictions(name, entry, options, data.task, end)
    reduction = options.get("reduction", "mean")
    scaling = getattr(network, "target_scaling", None)
    scaled: dict[str, Any] = {}
    if scaling is None or not task.scales_targets or entry.scaling is None:
        select = select_outputs(
            "logits" if entry.output == "scores" and task.one_class else entry.output,
            end,
            axis=axis,
            classes=task.classes is not None,
            make_logarithms=name == "KLDivLoss" and task.one_class,
        )
    else:
        select, answer = scaled_output, predict
        criterion = criteria.of_scaled(criterion, scaling)
        predict = lambda outputs: answer(scaling(outputs))  # noqa: E731 - as those that it takes the place of
        units = criteria.in_units(entry.scaling, module, scaling, average=reduction == "mean")
        scaled = {"scaling": scaling, "units": units}
    return Loss(
        name,
        options,
        network,
        task.output_task(entry),
        select,
        criterion,
        module=module,
        total=(lambda targets: criteria.class_total(module.weight, module.ignore_index, targets)) if gaps else None,
        predict=predict,
        reduction=reduction,
        views=data.views,
        weighted=bool(weights),
        **scaled,
    )


def _criterion(
    name: str,
    entry: LossEntry,
    options: dict[str, Any],
    weights: dict[str, torch.Tensor],
    end: str | None,
    *,
    sequences: bool,
    gaps: bool,
) -> tuple[Any, criteria.Criterion]:
    """(torch's module, its criterion: outputs and targets -> scalar)."""
    arguments = {**options, **weights}
    average = options.get("reduction", "mean") == "mean"
    module: Any
    if name == "BCELoss" and end == "sigmoid":
        module = torch.nn.BCEWithLogitsLoss(**arguments)
        return module, criteria.of_values(module)
    presence = arguments.pop("pos_weight", None) if name == "BCELoss" else None
    counted = entry.target in ("pairs", "triplets", "ranks")
    if name == "KLDivLoss" and average:
        arguments["reduction"] = "batchmean"  # the mathematically correct mean, which torch's "mean" is not
    if counted or (gaps and average):
        arguments["reduction"] = "none" if counted else "sum"  # the criterion divides by the total weight
    module = _construct(name, entry, arguments)
    if presence is not None:
        return module, criteria.of_presence(module.reduction, presence)
    if entry.output == "means and variances":
        return module, criteria.of_gaussians(module)
    if entry.target == "classes":
        make_classes = criteria.of_classes if gaps and average else criteria.of_class_indices
        return module, make_classes(module, sequences=sequences)
    if counted:
        make = {"pairs": criteria.of_pairs, "triplets": criteria.of_triplets, "ranks": criteria.of_ranks}[entry.target]
        return module, make(module, average=average)
    if entry.target == "sequences":
        return module, criteria.of_sequences(module)
    shapes = {"signs": shaped.signs, "index lists": shaped.index_lists}
    return module, criteria.of_values(module, shapes.get(entry.target, shaped.indicators))


def _construct(name: str, entry: LossEntry, arguments: dict[str, Any]) -> Any:
    try:
        return entry.constructor(**arguments)
    except (RuntimeError, TypeError, ValueError) as error:
        raise SpecError(f"The loss {name!r} cannot take {arguments}: {error}.") from error
