"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from runtime.errors import SpecError
from toolkit.data.batching.batches import Batches
from toolkit.data.tensors import rows
from toolkit.training.loop.callbacks import Callbacks
from toolkit.training.loop.determinism import reproducible
from toolkit.training.loop.distributed import Processes
from toolkit.training.loop.evaluation import collect, evaluate, measure_batches, summarize_epoch
from toolkit.training.loop.interruption import Interruption, TrainingInterrupted
from toolkit.training.loop.preparation import prepare
from toolkit.training.loop.state import Training
from toolkit.training.settings import Settings

__all__ = ["Training", "evaluate", "fit"]

Save = Callable[[Training], None]


def fit(
    network: torch.nn.Module,
    train: Batches,
    validation: Batches | None,
    settings: Settings,
    *,
    resume: Mapping[str, Any] | None = None,
    loss: Callable[..., torch.Tensor] | None = None,
    schedule: Callable[[float], float] | None = None,
    callbacks: Sequence[Any] = (),
    save: Save | None = None,
    interruption: Interruption | None = None,
    processes: Processes | None = None,
) -> Iterator[Training]:
    """Training generator: trains one epoch per iteration, yields the `Training` after each.

    Args:
        network: trained in place, on the device where its parameters are.
        train: batches to learn from.
        validation: batches to measure on after each epoch, or None.
        settings: the settings of the training.
        resume: the `state()` of an earlier training with the same settings; continues it bit for bit.
        loss: a function of (outputs, targets) to minimise, instead of the one that the settings name.
        schedule: a function from the epochs done to a factor of the rate, instead of the one that the settings name.
        callbacks: called at each event; see `toolkit.training.loop.callbacks`.
        save: called within an epoch, every `settings.save_every` batches and before an interruption.
        interruption: checked after each batch.
        processes: this process among those that train together; None trains alone.

    Raises:
        SpecError: an unknown name in the settings, settings that do not go together, a batch too small for the network,
            or a loss that is not a finite number any more.
        CheckpointError: `resume` is damaged.
        TrainingInterrupted: `interruption` was requested; `save` was called before.
    """
    call, processes = Callbacks(callbacks), processes or Processes()
    device = next(network.parameters()).device
    if (settings.sampling, settings.drop_last) != (train.sampling, train.drop_last):
        train = train.replaced(sampling=settings.sampling, drop_last=settings.drop_last)
    with reproducible(settings.deterministic, device):
        training = prepare(network, train, validation, settings, loss, schedule, processes)
        if resume is not None:
            training.restore(resume)
        stop = call("train_begin", training)
        while training.epoch < settings.epochs and not stop and not training.stopping.stops:
            if processes.any(interruption is not None and interruption.requested)[0]:
                raise TrainingInterrupted(training.epoch, training.running.batch)
            stop = call("epoch_begin", training)
            stop |= _learn(training, train, call, save, interruption)
            training.end_epoch(_measure(training, validation))
            yield training
            (stop,) = processes.any(call("epoch_end", training) or stop)
        call("train_end", training)


def _learn(
    training: Training, train: Batches, call: Callbacks, save: Save | None, interruption: Interruption | None
) -> bool:
    """Train on the remaining batches of an epoch; returns True if a callback stops the training."""
    running, step, settings = training.running, training.step, training.settings
    processes = training.processes
    steps, alone = train.steps(processes.world), processes.world == 1
    stop = interrupted = False
    watched = interruption is not None or call.waits_for("batch_end")
    running.started = time.perf_counter()
    training.train_mode()

    batches = train.epoch(training.epoch, start=running.batch, rank=processes.rank, world=processes.world)
    for inputs, targets in batches:
        number = running.batch + 1
        group_done = number % settings.accumulate == 0 or number == steps
        inputs, targets = training.move(inputs), training.move(targets)
        try:
            outputs, value, weight = step.learn(inputs, targets, group_done)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise SpecError(
                f"The network cannot learn from batch {number} with {rows(inputs)} of the {train.examples} examples: {error}. "
                f"Choose a batch_size that leaves more for the last batch than batch_size={train.batch_size} does, or leave that out with "
                f"drop_last=True."
            ) from error
        if group_done and step.apply():
            training.schedule.step()
            if training.average is not None:
                training.average.update_parameters(training.network)
        running.add(value if outputs is None else step.loss.reported(value, outputs, targets), weight)
        if outputs is not None and settings.metrics:
            collect(running.outputs, step.loss, outputs, targets)

        if watched:
            stop |= call("batch_end", training)
            if alone or group_done:  # several processes agree once per group
                stop, interrupted = training.processes.any(stop, interruption is not None and interruption.requested)
        if number < steps and (interrupted or (settings.save_every and number % settings.save_every == 0)):
            if save is not None:
                _check_finite(float(running.total), training)
                save(training)
            if interrupted:
                raise TrainingInterrupted(training.epoch, number)
        if stop and group_done:
            break
    return stop


def _measure(training: Training, validation: Batches | None) -> dict[str, float]:
    """Evaluate a whole epoch: its entry in the history."""
    running, processes = training.running, training.processes
    metrics = training.settings.metrics
    learnt = summarize_epoch(float(running.total), running.weight, running.outputs, metrics, processes)
    _check_finite(learnt["loss"], training)
    entry = {"epoch": training.epoch, **learnt}
    if validation is not None:
        processes.share_buffers(training.result)
        found = measure_batches(training.result, validation, training.step.loss, metrics, processes)
        entry |= {f"val_{name}": value for name, value in found.items()}
    return {**entry, "lr": running.rate, "seconds": running.elapsed}


def _check_finite(loss: float, training: Training) -> None:
    """Raise SpecError when the loss is not finite; a smaller learning rate usually helps."""
    if not math.isfinite(loss):
        rate = training.running.rate
        raise SpecError(
            f"The loss became {loss} in epoch {training.epoch + 1} with lr={rate:g}. Use a smaller learning rate, such as "
            f"lr={rate / 10:g}."
        )
