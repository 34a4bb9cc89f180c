"""Learning-rate range test: one short run with a rising rate, and a suggested rate.

Smith, "Cyclical Learning Rates for Training Neural Networks", 2017: while the rate is too small nothing changes, then the
loss falls, then it diverges. Where it falls most steeply is a good rate.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from runtime.errors import SpecError
from toolkit.data.batching.batches import Batches
from toolkit.training.checkpoints.checkpoint import random_state, restore_random_state
from toolkit.training.losses import Loss, LossFunction, make_loss
from toolkit.training.optimization.class_weights import class_weights
from toolkit.training.optimization.optimizers import make_optimizer, needs_closure
from toolkit.training.optimization.parameter_groups import freezing_kept, frozen_norms, parameter_groups
from toolkit.training.settings import Settings

__all__ = ["LearningRates", "find_learning_rate"]

# Smoothing factor of the moving mean of the loss: about the last ten batches.
_SMOOTHING = 0.9
# The loss has diverged when it exceeds its minimum by this many times the minimum's magnitude.
_BROKEN_OUT = 3.0
# Steps before the moving mean is settled.
_SETTLED = 10


@dataclass(frozen=True)
class LearningRates:
    """Result of a learning-rate range test.

    Attributes:
        rates: rate of each step, rising by a constant factor.
        losses: moving mean of the batches' losses after each step.
        suggestion: the rate at which that mean falls most steeply, over the logarithm of the rate.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float

    def png(self) -> bytes:
        """The loss over the rate, with the suggestion, as a PNG."""
        from toolkit.explain.plots import learning_rates_png

        return learning_rates_png(self.rates, self.losses, self.suggestion)


def find_learning_rate(
    network: torch.nn.Module,
    batches: Batches,
    settings: Settings,
    *,
    start: float = 1e-7,
    end: float = 10.0,
    steps: int = 100,
    loss: LossFunction | None = None,
) -> LearningRates:
    """Range test: train briefly with a rate that rises from `start` to `end`, then restore everything.

    Network, gradients, random states and the position in the batches are restored. The forward pass is in 32
    bits. The same settings find the same rate.

    Args:
        network: on the device where it is to be trained.
        batches: training batches; repeated where there are fewer than `steps`.
        settings: optimiser, loss, weight decay, clipping, frozen layers and factors of the rate are used.
        start, end: the first and the last rate, above 0.
        steps: optimiser steps, at least 20; fewer are made where the loss diverges before.
        loss: a function of (outputs, targets) to minimise, instead of the one that the settings name.

    Raises:
        SpecError: what `make_loss` and `make_optimizer` refuse; an optimiser with several passes per step; an empty
            range; or a loss that is not finite from the beginning, or never falls.
    """
    _check(settings, start, end, steps)
    with _restored(network, batches):
        weights = class_weights(settings.class_weights, batches)
        mixed = batches.mix is not None
        function = make_loss(loss or settings.loss, batches.data, network, class_weights=weights, soft_targets=mixed)
        groups = parameter_groups(network, settings, start)
        optimizer = make_optimizer(settings.optimizer, groups, start, settings.weight_decay)
        network.train()
        for module in frozen_norms(network, settings.freeze):
            module.eval()
        torch.manual_seed(settings.seed)
        rates, losses = _rise(function, optimizer, batches, settings, start, (end / start) ** (1 / (steps - 1)), steps)
    return LearningRates(tuple(rates), tuple(losses), _steepest(rates, losses))


def _check(settings: Settings, start: float, end: float, steps: int) -> None:
    if not 0 < start < end < math.inf:
        raise SpecError(
            f"start={start:g} and end={end:g} were given; two rates above 0, the lower one first, are expected."
        )
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 20:
        raise SpecError(f"steps={steps!r} was given; a whole number of at least 20 is expected.")
    if needs_closure(settings.optimizer):
        raise SpecError(
            f"The optimiser {settings.optimizer!r} searches along a line by itself; a rate is found for the others only."
        )


def _rise(
    function: Loss,
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    settings: Settings,
    start: float,
    growth: float,
    steps: int,
) -> tuple[list[float], list[float]]:
    """The rates, and the smoothed losses of the batches seen with them."""
    factors = [group["lr"] / start for group in optimizer.param_groups]
    device = next(function.network.parameters()).device
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    rates: list[float] = []
    losses: list[float] = []
    mean, lowest = 0.0, math.inf
    endless = itertools.chain.from_iterable(itertools.repeat(batches))
    for number, (inputs, targets) in zip(_bar(range(steps)), endless, strict=False):
        rate = start * growth**number
        for group, factor in zip(optimizer.param_groups, factors, strict=True):
            group["lr"] = rate * factor
        targets = targets.to(device)
        value = function(function.forward(inputs.to(device)), targets)
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * float(value.detach())
        smoothed = mean / (1 - _SMOOTHING ** (number + 1))
        if not math.isfinite(smoothed) or (number >= _SETTLED and smoothed > lowest + _BROKEN_OUT * abs(lowest)):
            break
        lowest = min(lowest, smoothed)
        rates.append(rate)
        losses.append(smoothed)
        optimizer.zero_grad()
        torch.autograd.backward(value)
        if settings.clip_value is not None:
            torch.nn.utils.clip_grad_value_(parameters, settings.clip_value)
        if settings.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
        optimizer.step()
    return rates, losses


def _steepest(rates: list[float], losses: list[float]) -> float:
    """The rate at the steepest descent before the minimum; the first steps, before the mean settles, are ignored."""
    if len(losses) <= _SETTLED + 2:
        raise SpecError(
            f"The loss broke out after {len(losses)} steps. Give a lower start and end, and look at the inputs for values too large."
        )
    slopes = np.gradient(np.array(losses), np.log(rates))
    last = int(np.argmin(losses[_SETTLED:])) + _SETTLED
    considered = slopes[_SETTLED : last + 1]
    fall = losses[_SETTLED] - losses[last]
    if fall <= 1e-6 * max(1.0, abs(losses[_SETTLED])):  # a smaller fall is rounding error
        raise SpecError(
            f"The loss fell at no rate from {rates[0]:g} to {rates[-1]:g}. Give another range with start and end, or more steps."
        )
    return float(rates[int(np.argmin(considered)) + _SETTLED])


@contextlib.contextmanager
def _restored(network: torch.nn.Module, batches: Batches) -> Iterator[None]:
    """Restore weights, buffers, gradients, modes, frozen flags, random states and the position in the batches."""
    state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    gradients = [(parameter, parameter.grad) for parameter in network.parameters()]
    modes = {module: module.training for module in network.modules()}
    random, place = random_state(), (batches.epoch, batches.start)
    batches.epoch, batches.start = 0, 0
    network.zero_grad()
    try:
        with freezing_kept(network):
            yield
    finally:
        network.load_state_dict(state)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for module, mode in modes.items():
            module.training = mode
        batches.epoch, batches.start = place
        restore_random_state(random)


def _bar(numbers: Iterable[int]) -> Iterable[Any]:
    """A progress bar on standard error; silent when that is not a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if not console.is_terminal:
        return numbers
    return track(numbers, description="finding a learning rate", console=console, transient=True)
