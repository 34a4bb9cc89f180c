"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from runtime.errors import CheckpointError, SpecError
from toolkit.data.batches import Batches
from toolkit.data.dataset import Task
from toolkit.training.checkpoint import random_state, restore_random_state
from toolkit.training.losses import find_loss, forward_for
from toolkit.training.metrics import Outputs, measure
from toolkit.training.optimizers import make_optimizer
from toolkit.training.schedules import make_schedule, peak_factor
from toolkit.training.settings import Settings

__all__ = ["Training", "evaluate", "fit"]


@dataclass
class Training:
    """A training under way: `fit` yields it after each epoch.

    Attributes:
        history: one entry an epoch: epoch, loss and metrics, the same with ``val_`` before them, lr, seconds.
        best: the epoch's entry that did best on the validation part (on the training part where there is none).
        is_best: whether the last epoch is the best.
    """

    network: torch.nn.Module
    settings: Settings
    task: Task
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] = field(default_factory=dict)
    is_best: bool = False

    def state(self) -> dict[str, Any]:
        """All that a resumed training needs, in plain containers and tensors."""
        return {
            "epoch": len(self.history),
            "optimizer": self.optimizer.state_dict(),
            "schedule": {"last_epoch": self.schedule.last_epoch, "_step_count": self.schedule._step_count},
            "random": random_state(),
            "history": [dict(entry) for entry in self.history],
            "best": dict(self.best),
            "settings": self.settings.to_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned. Raises CheckpointError when it is damaged."""
        try:
            self.optimizer.load_state_dict(state["optimizer"])
            known = {name: state["schedule"][name] for name in ("last_epoch", "_step_count")}
            self.schedule.load_state_dict({**self.schedule.state_dict(), **known})
            self.history = [dict(entry) for entry in state["history"]]
            self.best = dict(state["best"])
            if self.best:
                _score(self.best, self.task)
            restore_random_state(state["random"])
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"The checkpoint's training cannot be continued ({error!r}); it was damaged or changed by hand. Train anew."
            ) from error


def fit(
    network: torch.nn.Module,
    train: Batches,
    validation: Batches | None,
    settings: Settings,
    *,
    resume: dict[str, Any] | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> Iterator[Training]:
    """Train, one epoch at each step of the iteration.

    Args:
        network: trained in place, on the device where its parameters are.
        train: batches to learn from; its `epoch` decides their order.
        validation: batches to measure on after each epoch, or None.
        settings: what to do.
        resume: the `state()` of an earlier training with the same settings; continues it bit for bit.
        on_batch: called after each batch with the number of batches done in the epoch.

    Raises:
        SpecError: an unknown name in the settings, a batch too small for the network, or a loss that is not a finite
            number any more.
        CheckpointError: `resume` is damaged.
    """
    task = train.data.task
    loss_name, loss = find_loss(settings.loss, task)
    optimizer = make_optimizer(
        settings.optimizer, network.parameters(), settings.lr, settings.weight_decay, peak_factor(settings.schedule)
    )
    schedule = make_schedule(settings.schedule, optimizer, settings.epochs * len(train))
    training = Training(network, settings, task, optimizer, schedule)
    if resume is not None:
        training.restore(resume)
    train.epoch = len(training.history)
    forward = forward_for(network, loss_name)
    device = next(network.parameters()).device

    for epoch in range(len(training.history), settings.epochs):
        started = time.perf_counter()
        rate = optimizer.param_groups[0]["lr"]
        network.train()
        outputs = Outputs(settings.metrics)
        total = torch.zeros((), device=device)
        for number, (inputs, targets) in enumerate(train, start=1):
            inputs, targets = inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True)
            try:
                output = forward(inputs)
            except ValueError as error:  # batch normalisation over a single example
                raise SpecError(
                    f"The network cannot learn from batch {number} with {len(inputs)} of the {train.examples} examples: {error}. "
                    f"Choose a batch_size that leaves more for the last batch than batch_size={train.batch_size} does."
                ) from error
            value = loss(output, targets)
            optimizer.zero_grad()
            torch.autograd.backward(value)
            optimizer.step()
            schedule.step()
            total += value.detach() * len(inputs)
            outputs.add(output, targets)
            if on_batch is not None:
                on_batch(number)
        mean_loss = float(total) / train.examples
        if not torch.isfinite(total):
            raise SpecError(
                f"The loss became {mean_loss} in epoch {epoch + 1} with lr={rate:g}. Use a smaller learning rate, such as lr={rate / 10:g}."
            )
        entry = {"epoch": epoch, "loss": mean_loss, **measure(settings.metrics, *outputs.gather(), task)}
        if validation is not None:
            measured = evaluate(network, validation, loss_name, settings.metrics)
            entry |= {f"val_{name}": number for name, number in measured.items()}
        entry |= {"lr": rate, "seconds": time.perf_counter() - started}
        training.history.append(entry)
        training.is_best = not training.best or _score(entry, task) > _score(training.best, task)
        if training.is_best:
            training.best = entry
        yield training


def evaluate(network: torch.nn.Module, batches: Batches, loss: str, metrics: tuple[str, ...]) -> dict[str, float]:
    """Loss and metrics of a network on some batches, in evaluation mode; the mode is put back afterwards."""
    task = batches.data.task
    name, function = find_loss(loss, task)
    forward = forward_for(network, name)
    device = next(network.parameters()).device
    outputs = Outputs(metrics)
    total = 0.0
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        for inputs, targets in batches:
            inputs, targets = inputs.to(device), targets.to(device)
            output = forward(inputs)
            total += float(function(output, targets)) * len(inputs)
            outputs.add(output, targets)
    network.train(was_training)
    return {"loss": total / max(1, batches.examples), **measure(metrics, *outputs.gather(), task)}


def _score(entry: dict[str, float], task: Task) -> tuple[float, float]:
    """Higher is better: the accuracy of a classifier, then the loss; on the validation part where there is one."""
    prefix = "val_" if "val_loss" in entry else ""
    accuracy = entry.get(f"{prefix}acc", 0.0) if task == "classification" else 0.0
    return accuracy, -entry[f"{prefix}loss"]
