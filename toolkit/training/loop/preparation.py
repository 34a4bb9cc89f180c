"""Preparation of a training from its settings: checks, and construction of its parts."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from runtime.errors import SpecError
from toolkit.data.batching.batches import Batches
from toolkit.data.batching.samplers import check_balanced
from toolkit.data.dataset import Dataset
from toolkit.data.ragged_targets import as_targets
from toolkit.training.loop.distributed import Processes
from toolkit.training.loop.early_stopping import EarlyStopping
from toolkit.training.loop.evaluation import on
from toolkit.training.loop.monitor import Monitor
from toolkit.training.loop.state import EpochState, Training
from toolkit.training.loop.step import Step, check_closure
from toolkit.training.losses import Loss, make_loss
from toolkit.training.losses.checks import evaluation_mode
from toolkit.training.metrics import find_metric, make_meter, metric_key
from toolkit.training.optimization.class_weights import class_weights
from toolkit.training.optimization.ema import averaged
from toolkit.training.optimization.optimizers import make_optimizer
from toolkit.training.optimization.parameter_groups import freezing_kept, frozen_norms, parameter_groups
from toolkit.training.optimization.precision import Precision
from toolkit.training.optimization.schedules import Schedule, make_schedule, peak_factor
from toolkit.training.settings import Settings

__all__ = ["check_settings", "prepare"]


def check_settings(
    network: torch.nn.Module,
    train: Batches,
    validation: Batches | None,
    settings: Settings,
    loss: Callable[..., torch.Tensor] | None = None,
    schedule: Callable[[float], float] | None = None,
    device: torch.device | None = None,
) -> None:
    """Raise the errors of `prepare`, and those of a first epoch, in advance. Nothing is changed.

    Args:
        network, train, validation, settings, loss, schedule: as for `fit`.
        device: device of the training; None takes the network's.

    Raises:
        SpecError, InputError: something does not fit the network, the data or the device.
    """
    if next(network.parameters(), None) is None:
        raise SpecError("The network has no weights to learn. Add a layer that has some, such as linear.")
    if train.data.card.padding_mark == "nan" and getattr(network, "padding", None) != "nan":
        raise SpecError(
            "The data is padded with steps of NaN, and the network does not leave them out. Describe it with "
            "NetworkSpec(..., padding='nan'), or pad with zeros: toolkit.data.padding.padded_for(data, None)."
        )
    if settings.sampling == "balanced":
        check_balanced(train.data)
    with freezing_kept(network):
        place = device or next(network.parameters()).device
        parts = _parts(network, train, validation, settings, loss, schedule, place, world=1)
    check_closure(settings, parts.precision, Processes())
    _check_best_of(settings, train.data)
    _check_last_batch(network, train, settings, parts.loss)


def _check_best_of(settings: Settings, data: Dataset) -> None:
    """Raise SpecError for a top-k accuracy with k above the number of classes, which is always 1."""
    for metric in settings.metrics:
        _, options = find_metric(metric)
        if data.labels and options.get("top_k", 1) > len(data.labels):
            raise SpecError(
                f"The metric {metric_key(metric)!r} looks at the best {options['top_k']} classes, and the data has {len(data.labels)}; "
                f"it would always be 1. Look at fewer."
            )


def _check_last_batch(network: torch.nn.Module, train: Batches, settings: Settings, loss: Loss) -> None:
    """Raise SpecError where the last batch would give a batch normalisation a single value per channel (no variance).

    Not checked for several processes, whose shares of the last batch differ.
    """
    last = (0 if settings.drop_last else train.examples % settings.batch_size) or settings.batch_size
    frozen = set(frozen_norms(network, settings.freeze))
    norms = [module for module in network.modules() if isinstance(module, _BATCH_NORMS) and module not in frozen]
    if last != 1 or not norms or int(os.environ.get("WORLD_SIZE", 1)) > 1:
        return
    alone: list[torch.nn.Module] = []

    def look(module: torch.nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        if arguments[0].numel() == arguments[0].shape[1]:
            alone.append(module)

    hooks = [module.register_forward_pre_hook(look) for module in norms]
    device = next(network.parameters()).device
    try:
        with evaluation_mode(network, device), torch.no_grad():
            loss.forward(train.data.inputs.take(torch.from_numpy(train.indices[:1])).to(device))
    finally:
        for hook in hooks:
            hook.remove()
    if alone:
        raise SpecError(
            f"The last of the {train.examples} examples is a batch by itself with batch_size={settings.batch_size}, and a "
            f"{type(alone[0]).__name__} needs more than one value a channel. Choose a batch_size that leaves more for the last batch, or leave "
            f"that out with drop_last=True."
        )


_BATCH_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)


@dataclass(frozen=True)
class _Parts:
    """Parts named by the settings, built for the network and data: precision, monitor, loss, optimiser, schedule."""

    precision: Precision
    monitor: Monitor
    loss: Loss
    optimizer: torch.optim.Optimizer
    schedule: Schedule


def _parts(
    network: torch.nn.Module,
    train: Batches,
    validation: Batches | None,
    settings: Settings,
    loss: Callable[..., torch.Tensor] | None,
    schedule: Callable[[float], float] | None,
    device: torch.device,
    world: int,
) -> _Parts:
    if settings.drop_last and train.examples < settings.batch_size * world:
        raise SpecError(
            f"drop_last=True leaves nothing of {train.examples} examples with batch_size={settings.batch_size}"
            f"{f' and {world} processes' if world > 1 else ''}. Choose a smaller batch_size."
        )
    data = train.data
    precision = Precision(settings.precision, device)
    monitor = Monitor(settings.monitor, data.task, settings.metrics, validation is not None)
    weights = class_weights(settings.class_weights, train)
    mixed = train.mix is not None
    function = make_loss(loss or settings.loss, data, network, class_weights=weights, soft_targets=mixed)
    groups = parameter_groups(network, settings)
    peak = peak_factor(schedule or settings.schedule)
    optimizer = make_optimizer(settings.optimizer, groups, settings.lr, settings.weight_decay, peak)
    rates = make_schedule(
        schedule or settings.schedule,
        optimizer,
        epochs=settings.epochs,
        steps_per_epoch=-(-train.steps(world) // settings.accumulate),
        warmup=settings.warmup,
    )
    return _Parts(precision, monitor, function, optimizer, rates)


def prepare(
    network: torch.nn.Module,
    train: Batches,
    validation: Batches | None,
    settings: Settings,
    loss: Callable[..., torch.Tensor] | None,
    schedule: Callable[[float], float] | None,
    processes: Processes,
) -> Training:
    """Build a `Training` from the settings. Arguments and errors are those of `fit`."""
    data = train.data
    if len({tuple(shared) for shared in processes.gather([settings.seed, train.examples])}) > 1:
        raise SpecError("Each process drew another seed. Set one with set_seed before the data is loaded.")
    if settings.sampling == "balanced":
        check_balanced(data)
    if settings.channels_last:
        network.to(memory_format=torch.channels_last)
    network = processes.join_normalization(network)
    device = next(network.parameters()).device
    parts = _parts(network, train, validation, settings, loss, schedule, device, processes.world)

    def spare() -> tuple[Any, Any]:
        positions = torch.from_numpy(train.indices[:2])
        return on(device, data.inputs.take(positions)), on(device, as_targets(data.targets).take(positions))

    step = Step(network, parts.loss, parts.optimizer, settings, parts.precision, processes, spare)
    average = None if settings.ema is None else averaged(network, settings.ema)
    training = Training(
        network=network,
        settings=settings,
        task=data.task,
        optimizer=parts.optimizer,
        schedule=parts.schedule,
        step=step,
        average=average,
        precision=parts.precision,
        processes=processes,
        running=EpochState(make_meter(settings.metrics, parts.loss.task), torch.zeros((), device=device)),
        monitor=parts.monitor,
        stopping=EarlyStopping(settings.early_stopping, settings.min_delta),
        frozen=frozen_norms(network, settings.freeze),
    )
    training.begin_epoch()
    return training
