"""From settings to a training that is ready to begin."""

from __future__ import annotations

from collections.abc import Callable

import torch

from runtime.errors import SpecError
from toolkit.data.batches import Batches
from toolkit.data.samplers import check_balanced
from toolkit.training.class_weights import class_weights
from toolkit.training.distributed import Processes
from toolkit.training.early_stopping import EarlyStopping
from toolkit.training.ema import averaged
from toolkit.training.losses import make_loss
from toolkit.training.metrics import Outputs
from toolkit.training.monitor import Monitor
from toolkit.training.optimizers import make_optimizer
from toolkit.training.parameter_groups import frozen_norms, parameter_groups
from toolkit.training.precision import Precision
from toolkit.training.schedules import make_schedule, peak_factor
from toolkit.training.settings import Settings
from toolkit.training.state import Running, Training
from toolkit.training.step import Step

__all__ = ["prepare"]


def prepare(
    network: torch.nn.Module,
    train: Batches,
    validation: Batches | None,
    settings: Settings,
    loss: Callable[..., torch.Tensor] | None,
    schedule: Callable[[float], float] | None,
    processes: Processes,
) -> Training:
    """Make what the settings name. The arguments are those of `fit`; so are the errors."""
    data = train.data
    if len({tuple(shared) for shared in processes.gather([settings.seed, train.examples])}) > 1:
        raise SpecError("Each process drew another seed. Set one with set_seed before the data is loaded.")
    if settings.sampling == "balanced":
        check_balanced(data)
        train.sampling = "balanced"
    if settings.channels_last:
        network.to(memory_format=torch.channels_last)
    network = processes.join_normalization(network)
    device = next(network.parameters()).device
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
        steps_per_epoch=-(-len(train) // settings.accumulate),
        warmup=settings.warmup,
    )

    def spare() -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.from_numpy(train.indices[:2])
        return data.inputs.take(rows).to(device), train.targets()[:2].to(device)

    step = Step(network, function, optimizer, settings, precision, processes, spare)
    average = None if settings.ema is None else averaged(network, settings.ema)
    training = Training(
        network=network,
        settings=settings,
        task=data.task,
        optimizer=optimizer,
        schedule=rates,
        step=step,
        average=average,
        precision=precision,
        processes=processes,
        running=Running(Outputs(settings.metrics, function.task), torch.zeros((), device=device)),
        monitor=monitor,
        stopping=EarlyStopping(settings.early_stopping, settings.min_delta),
        frozen=frozen_norms(network, settings.freeze),
    )
    training.begin_epoch()
    return training
