"""Learning-rate schedules by name, stepped after every step of the optimiser, with a linear warm-up before any of them.

Each schedule but plateau is a factor of a group's own rate, so layers with lower rates keep their proportion. torch's
`LambdaLR` and `ReduceLROnPlateau` set the rates. All lengths are in epochs, and are counted from the end of the warm-up.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from runtime.errors import CheckpointError, SpecError
from toolkit.training.named import check_options, find_name, join_named, split_named
from toolkit.training.settings import Named

__all__ = ["SCHEDULES", "Schedule", "ScheduleEntry", "find_schedule", "make_schedule", "peak_factor"]

# A user's function is tried at this many epochs before the training.
_TRIED_EPOCHS = 1000

# (epochs since the warm-up, epochs from the warm-up to the end, the group's own rate) -> factor of that rate
Factor: TypeAlias = Callable[[float, float, float], float]


def constant() -> Factor:
    """The same rate throughout."""
    return lambda _epoch, _total, _rate: 1.0


def step(*, step_size: float = 10, gamma: float = 0.1) -> Factor:
    """Multiply by `gamma` after every `step_size` epochs."""
    _at_least("step", "step_size", step_size, above=0)
    _at_least("step", "gamma", gamma, above=0)
    return lambda epoch, _total, _rate: gamma ** math.floor(epoch / step_size)


def multistep(*, milestones: Sequence[float], gamma: float = 0.1) -> Factor:
    """Multiply by `gamma` after each of the epochs in `milestones`."""
    marks: list[float] = list(milestones) if isinstance(milestones, list | tuple) else [milestones]  # type: ignore[list-item]
    if not marks:
        raise SpecError(
            "The schedule 'multistep' was given no milestones; at least one epoch is expected, such as [10, 20]."
        )
    for mark in marks:
        _at_least("multistep", "milestones", mark, above=0)
    _at_least("multistep", "gamma", gamma, above=0)
    return lambda epoch, _total, _rate: gamma ** sum(epoch >= mark for mark in marks)


def exponential(*, gamma: float = 0.95) -> Factor:
    """Multiply by `gamma` after every epoch."""
    _at_least("exponential", "gamma", gamma, above=0)
    return lambda epoch, _total, _rate: gamma ** math.floor(epoch)


def cosine(*, eta_min: float = 0.0) -> Factor:
    """Half a cosine from the rate to `eta_min` over the training (Loshchilov and Hutter, "SGDR", 2017)."""
    _at_least("cosine", "eta_min", eta_min)
    return lambda epoch, total, rate: _between(_share(eta_min, rate), _half_cosine(_progress(epoch, total)))


# an argument spelled like the paper's and torch's is found by those who look for it
def cosine_restarts(*, T_0: float = 10, T_mult: float = 1, eta_min: float = 0.0) -> Factor:  # noqa: N803
    """Half a cosine over `T_0` epochs, again from the top over `T_mult` times as many, and so on (SGDR, 2017)."""
    _at_least("cosine_restarts", "T_0", T_0, above=0)
    _at_least("cosine_restarts", "T_mult", T_mult, least=1)
    _at_least("cosine_restarts", "eta_min", eta_min)

    def factor(epoch: float, _total: float, rate: float) -> float:
        length = T_0
        while epoch >= length:
            epoch, length = epoch - length, length * T_mult
        return _between(_share(eta_min, rate), _half_cosine(epoch / length))

    return factor


def onecycle(*, pct_start: float = 0.3, div_factor: float = 25, final_div_factor: float = 400) -> Factor:
    """Up from 1/`div_factor` over the first `pct_start` of the training, then down to 1/`final_div_factor` of where it
    began; both as half cosines (Smith and Topin, "Super-Convergence", 2018)."""
    _at_least("onecycle", "div_factor", div_factor, above=0)
    _at_least("onecycle", "final_div_factor", final_div_factor, above=0)
    if not 0 < pct_start < 1:
        raise SpecError(
            f"The schedule 'onecycle' was given pct_start={pct_start!r}; a share between 0 and 1 is expected."
        )
    first, last = 1 / div_factor, 1 / (div_factor * final_div_factor)

    def factor(epoch: float, total: float, _rate: float) -> float:
        progress = _progress(epoch, total)
        if progress < pct_start:
            return _between(first, 1 - _half_cosine(progress / pct_start))
        return _between(last, _half_cosine((progress - pct_start) / (1 - pct_start)))

    return factor


def linear(*, start_factor: float = 1.0, end_factor: float = 0.0) -> Factor:
    """A straight line from `start_factor` to `end_factor` times the rate over the training."""
    _at_least("linear", "start_factor", start_factor)
    _at_least("linear", "end_factor", end_factor)
    return lambda epoch, total, _rate: start_factor + (end_factor - start_factor) * _progress(epoch, total)


def polynomial(*, power: float = 1.0) -> Factor:
    """(1 - progress) to the `power`, over the training."""
    _at_least("polynomial", "power", power, above=0)
    return lambda epoch, total, _rate: (1 - _progress(epoch, total)) ** power


def plateau(
    *,
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    cooldown: int = 0,
    min_lr: float = 0.0,
    eps: float = 1e-8,
) -> Factor:
    """Multiply by `factor` once `patience` epochs did not improve the best score by `threshold`, as a difference."""
    _at_least("plateau", "factor", factor, above=0)
    if factor >= 1:
        raise SpecError(
            f"The schedule 'plateau' was given factor={factor!r}; a number below 1 is expected, such as 0.1."
        )
    for name, value in (("patience", patience), ("threshold", threshold), ("cooldown", cooldown), ("min_lr", min_lr)):
        _at_least("plateau", name, value)
    _at_least("plateau", "eps", eps)
    return constant()


def custom(*, function: Callable[[float], float]) -> Factor:
    """The factor that `function` gives for the epochs done, a fraction within an epoch. From Python only."""

    def factor(epoch: float, _total: float, _rate: float) -> float:
        try:
            value = float(function(epoch))
        except Exception as error:  # a user's function may raise anything
            raise SpecError(
                f"The schedule's function cannot be used, at {epoch:g} epochs: {error!r}. It gets the epochs done and gives a factor "
                f"of the rate."
            ) from error
        if not math.isfinite(value) or value < 0:
            raise SpecError(
                f"The schedule's function gives {value:g} at {epoch:g} epochs; a factor of the rate of at least 0 is expected."
            )
        return value

    return factor


@dataclass(frozen=True)
class ScheduleEntry:
    """One schedule: the function that makes its factor; its keywords are the options, its docstring the description."""

    make: Callable[..., Factor]

    @property
    def doc(self) -> str:
        """Docstring of the schedule, for the reference page."""
        return inspect.cleandoc(self.make.__doc__ or "")


SCHEDULES: dict[str, ScheduleEntry] = {
    "constant": ScheduleEntry(constant),
    "step": ScheduleEntry(step),
    "multistep": ScheduleEntry(multistep),
    "exponential": ScheduleEntry(exponential),
    "cosine": ScheduleEntry(cosine),
    "cosine_restarts": ScheduleEntry(cosine_restarts),
    "onecycle": ScheduleEntry(onecycle),
    "plateau": ScheduleEntry(plateau),
    "lambda": ScheduleEntry(custom),
    "linear": ScheduleEntry(linear),
    "polynomial": ScheduleEntry(polynomial),
}


class Schedule:
    """Sets the rates of an optimiser's groups: `step` after each of its steps, `epoch_end` after each epoch.

    Attributes:
        optimizer: its groups' ``lr`` are set.
        steps: number of calls of `step`.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        factor: Factor,
        plateau_options: Mapping[str, Any] | None,
        *,
        epochs: int,
        steps_per_epoch: int,
        warmup: float,
    ) -> None:
        self.optimizer = optimizer
        self.steps = 0
        self._warmup = round(warmup * steps_per_epoch)
        per_epoch = max(1, steps_per_epoch)
        total = max(0.0, epochs - self._warmup / per_epoch)

        def group_factor(rate: float) -> Callable[[int], float]:
            def value(steps: int) -> float:
                # a rate of zero would stand still for a whole step, so the warm-up begins above it
                rise = min(1.0, (steps + 1) / (self._warmup + 1))
                return rise * factor(max(0, steps - self._warmup) / per_epoch, total, rate)

            return value

        rates = [float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups]
        self._rates = torch.optim.lr_scheduler.LambdaLR(optimizer, [group_factor(rate) for rate in rates])
        self._plateau = None
        if plateau_options is not None:
            self._plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, mode="max", threshold_mode="abs", **{"threshold": 1e-4, **plateau_options}
            )

    def step(self) -> None:
        """Set the rates for the next step of the optimiser."""
        self.steps += 1
        # after the warm-up the rates of plateau are its own
        if self._plateau is None or self.steps <= self._warmup:
            self._rates.step()

    def epoch_end(self, score: float) -> None:
        """Report an epoch's score, higher is better; used by plateau only, after the warm-up."""
        if self._plateau is not None and self.steps >= self._warmup:
            self._plateau.step(score)

    @property
    def last_rate(self) -> float:
        """The rate of the first group, for the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def state_dict(self) -> dict[str, Any]:
        """Plain values. The rates themselves are in the optimiser's own state."""
        state: dict[str, Any] = {
            "steps": self.steps,
            "rates": list(map(float, self._rates.base_lrs)),
            "rate_steps": self._rates.last_epoch,
        }
        if self._plateau is not None:
            names = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")
            state["plateau"] = {name: getattr(self._plateau, name) for name in names}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned; the optimiser's state is loaded by itself, before this.

        Raises:
            CheckpointError: it is of another schedule, or damaged.
        """
        try:
            known = {name: float(value) for name, value in dict(state.get("plateau") or {}).items()}
            rates = list(map(float, state["rates"]))
            if bool(known) != (self._plateau is not None) or len(rates) != len(self.optimizer.param_groups):
                raise ValueError("another schedule or other groups of layers")
            self.steps = int(state["steps"])
            self._rates.base_lrs = [*rates]
            self._rates.last_epoch = int(state["rate_steps"])
            self._rates._step_count = self._rates.last_epoch + 1
            if self._plateau is not None:
                self._plateau.best = known["best"]
                for name in ("num_bad_epochs", "cooldown_counter", "last_epoch"):
                    setattr(self._plateau, name, int(known[name]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"The checkpoint's schedule cannot be continued ({error!r}); it was damaged or changed by hand. Train anew."
            ) from error


def find_schedule(setting: Named | Callable[[float], float]) -> Named:
    """The setting with the registered name and checked options, plain values that JSON can hold.

    Args:
        setting: a name without regard to case, a mapping with ``name`` and options, or (from Python) a function from
            the epochs done to a factor of the rate; of that only the name is kept.

    Raises:
        SpecError: an unknown name or option, or a value out of its range.
    """
    if callable(setting):
        return {"name": "lambda", "function": getattr(setting, "__qualname__", type(setting).__qualname__)}
    key, options = _parse(setting)
    _factor(key, options)
    return join_named(key, options)


def make_schedule(
    setting: Named | Callable[[float], float],
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int = 1,
    steps_per_epoch: int = 1,
    warmup: float = 0.0,
) -> Schedule:
    """A schedule for a training.

    Args:
        setting: as `find_schedule` takes it.
        optimizer: its groups' rates are the base rates.
        epochs: length of the whole training.
        steps_per_epoch: optimiser steps per epoch: batches divided by those accumulated.
        warmup: epochs, may be a fraction, over which the rate rises linearly, before the schedule begins.

    Raises:
        SpecError: as `find_schedule`; or a warm-up as long as the training.
    """
    if warmup > 0 and warmup >= epochs:
        raise SpecError(
            f"warmup={warmup:g} was given, but the training is {epochs} epochs long. Warm up over fewer, or train longer."
        )
    if callable(setting):
        key, options = "lambda", {"function": setting}
    else:
        key, options = _parse(setting)
    factor = _factor(key, options)
    if callable(setting):
        for epoch in range(min(epochs, _TRIED_EPOCHS)):  # what fails later fails now
            factor(epoch, epochs, 1.0)
    return Schedule(
        optimizer,
        factor,
        options if key == "plateau" else None,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        warmup=warmup,
    )


def peak_factor(setting: Named | Callable[[float], float]) -> float:
    """Peak rate of a schedule over the optimiser's usual one: 4 for one-cycle (little time at the peak), else 1."""
    name = None if callable(setting) else split_named(setting, "schedule")[0]
    return 4.0 if str(name).lower() == "onecycle" else 1.0


def _parse(setting: Named) -> tuple[str, dict[str, Any]]:
    name, options = split_named(setting, "schedule")
    key = find_name(name, SCHEDULES, "schedule")
    if key == "lambda" and not callable(options.get("function")):
        given = f" {options['function']!r}" if "function" in options else ""
        raise SpecError(
            f"The schedule 'lambda' needs the function{given} itself, which only Python can give: train(schedule=function). "
            "From JSON or TOML take 'linear', 'polynomial' or 'multistep'."
        )
    if key == "lambda":
        return key, options
    return key, check_options(SCHEDULES[key].make, options, f"The schedule {key!r}")


def _factor(key: str, options: Mapping[str, Any]) -> Factor:
    make = SCHEDULES[key].make
    for name, parameter in inspect.signature(make).parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in options:
            raise SpecError(f"The schedule {key!r} needs {name}, such as {{'name': {key!r}, {name!r}: [10, 20]}}.")
    return make(**options)


def _progress(epoch: float, total: float) -> float:
    return min(1.0, epoch / total) if total > 0 else 1.0


def _half_cosine(progress: float) -> float:
    """Half cosine from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def _between(low: float, share: float) -> float:
    return low + (1 - low) * share


def _share(eta_min: float, rate: float) -> float:
    """A minimum rate as a factor of the group's own rate."""
    return min(1.0, eta_min / rate) if rate > 0 else 1.0


def _at_least(schedule: str, name: str, value: Any, *, least: float = 0, above: float | None = None) -> None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or value < least or (above is not None and value <= above):
        limit = f"above {above}" if above is not None else f"of at least {least}"
        raise SpecError(f"The schedule {schedule!r} was given {name}={value!r}; a number {limit} is expected.")
