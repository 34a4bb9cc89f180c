"""Training settings: plain values, stored in the checkpoint and in run.toml."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from runtime.errors import SpecError, suggest
from runtime.ordered import ordered

__all__ = ["Named", "Settings"]

# A registered name, or a mapping with "name" and options: "SGD", {"name": "SGD", "momentum": 0.9, "nesterov": True}.
Named: TypeAlias = str | Mapping[str, Any]

_CHOICES = {
    "precision": ("fp32", "bf16", "fp16"),
    "sampling": ("all", "balanced"),
}


@dataclass(frozen=True)
class Settings:
    """Settings of one training.

    Attributes:
        optimizer, loss, schedule: a name, or a mapping with ``name`` and options; see `toolkit.training`.
        metrics: names (or mappings) of the metrics measured on training and validation besides the loss.
        seed: of the initial weights, the order of the batches, augmentation and dropout.
        lr: learning rate; None takes the optimiser's usual one.
        epochs: passes over the training part.
        batch_size: examples per step of one process.
        warmup: epochs (may be a fraction) over which the rate rises linearly, before the schedule.
        weight_decay: decoupled or L2, as the optimiser defines it.
        decay_all: also decay biases and normalisation weights; False decays matrices and kernels only.
        clip_norm: largest norm of all gradients together; None leaves them.
        clip_value: largest magnitude of one gradient; None leaves them.
        accumulate: batches whose gradients are accumulated before a step of the optimiser.
        precision: "fp32"; "bf16" or "fp16" run the forward pass in mixed precision ("fp16" needs CUDA).
        ema: decay of an exponential moving average of the weights, such as 0.999; None keeps none.
        early_stopping: epochs without improvement after which to stop; None never does.
        min_delta: the least change that counts as improvement.
        monitor: value that selects the best epoch, such as "val_loss" or "val_acc"; None takes the task's usual one.
        class_weights: "balanced"; one weight per class in their order; or {class: weight} with the classes' names or positions; for
            losses that take weights. None weighs all alike.
        sampling: "all" examples once per epoch, or "balanced": drawn with replacement, classes equally often.
        drop_last: leave out an epoch's last batch where it has fewer examples than the others.
        freeze: layer names (may hold *) whose weights are frozen.
        rates: layer name (may hold *) -> factor of the learning rate, for fine-tuning.
        channels_last: keep pictures as (N, H, W, C) in memory.
        compile: run the network through torch.compile.
        deterministic: refuse operations that are not reproducible.
        save_every: batches after which last.pth is written within an epoch, and after each epoch; None writes whole epochs only, every few
            seconds.
    """

    optimizer: Named
    loss: Named
    metrics: tuple[Named, ...]
    seed: int
    lr: float | None = None
    epochs: int = 30
    batch_size: int = 32
    schedule: Named = "constant"
    warmup: float = 0.0
    weight_decay: float = 0.0
    decay_all: bool = True
    clip_norm: float | None = None
    clip_value: float | None = None
    accumulate: int = 1
    precision: str = "fp32"
    ema: float | None = None
    early_stopping: int | None = None
    min_delta: float = 0.0
    monitor: str | None = None
    class_weights: str | Mapping[str, float] | tuple[float, ...] | None = None
    sampling: str = "all"
    freeze: tuple[str, ...] = ()
    rates: Mapping[str, float] = field(default_factory=dict)
    channels_last: bool = False
    compile: bool = False
    deterministic: bool = False
    save_every: int | None = None
    drop_last: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate"):
            _whole(name, getattr(self, name))
        for name in ("early_stopping", "save_every"):
            if getattr(self, name) is not None:
                _whole(name, getattr(self, name))
        for name in ("lr", "clip_norm", "clip_value"):
            if getattr(self, name) is not None:
                self._keep(name, _number(name, getattr(self, name), above=True))
        for name in ("weight_decay", "warmup", "min_delta"):
            self._keep(name, _number(name, getattr(self, name), above=False))
        if self.ema is not None and not 0 < _number("ema", self.ema, above=True) < 1:
            raise SpecError(f"ema={self.ema!r} was given; a number between 0 and 1 is expected, such as 0.999.")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise SpecError(f"{name}={getattr(self, name)!r} was given.{suggest(str(getattr(self, name)), known)}")
        for name in ("decay_all", "channels_last", "compile", "deterministic", "drop_last"):
            if not isinstance(getattr(self, name), bool):
                raise SpecError(f"{name}={getattr(self, name)!r} was given; True or False is expected.")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or not 0 <= self.seed < 2**32:
            raise SpecError(f"seed={self.seed!r} was given; a whole number from 0 to 4294967295 is expected.")
        if self.monitor is not None and not isinstance(self.monitor, str):
            raise SpecError(f"monitor={self.monitor!r} was given; the name of a value is expected, such as 'val_loss'.")
        self._keep("metrics", _metrics(self.metrics))
        self._keep("freeze", _names(self.freeze))
        self._keep("rates", _rates(self.rates))
        self._keep("class_weights", _class_weights(self.class_weights))

    def _keep(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for the checkpoint, TOML and JSON."""
        return {name: _plain(value) for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Settings:
        """Read settings back. Raises SpecError for a name that is not a setting."""
        known = {entry.name for entry in dataclasses.fields(cls)}
        for name in value:
            if name not in known:
                raise SpecError(f"There is no setting {name!r}.{suggest(str(name), known)}")
        return cls(**value)


def _whole(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise SpecError(f"{name}={value!r} was given; a whole number of at least 1 is expected.")


def _number(name: str, value: Any, *, above: bool) -> float:
    """NumPy's numbers become Python's, which a checkpoint of plain values can hold."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    fits = math.isfinite(number) and (number > 0 if above else number >= 0)
    if not fits or isinstance(value, bool | str):
        limit = "above 0" if above else "of at least 0"
        raise SpecError(f"{name}={value!r} was given; a number {limit} is expected, such as 0.001.")
    return number


def _metrics(value: Any) -> tuple[Named, ...]:
    return (
        (value,)
        if isinstance(value, str | Mapping)
        else tuple(ordered(value, "metrics", "a list of names", example="['acc', 'f1']"))
    )


def _names(value: Any) -> tuple[str, ...]:
    several = isinstance(value, Iterable) and not isinstance(value, str | Mapping)
    names = (sorted(value, key=str) if isinstance(value, Set) else tuple(value)) if several else (value,)
    if not all(isinstance(name, str) for name in names):
        raise SpecError(f"freeze={value!r} was given; names of layers are expected, such as ('conv2d1', 'linear*').")
    return tuple(names)


def _rates(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise SpecError(f"rates={value!r} was given; a mapping is expected, such as {{'backbone*': 0.1}}.")
    return {str(name): _number(f"rates[{name!r}]", factor, above=False) for name, factor in value.items()}


def _class_weights(value: Any) -> str | Mapping[str, float] | tuple[float, ...] | None:
    if value is None or (isinstance(value, str) and value == "balanced"):
        return value
    weights: Mapping[str, float] | tuple[float, ...]
    if isinstance(value, Mapping):
        weights = {str(key): _number(f"class_weights[{key!r}]", weight, above=False) for key, weight in value.items()}
        if len(weights) != len(value):
            raise SpecError(f"class_weights={dict(value)!r} was given, with two numbers for one class. Leave one out.")
        found = tuple(weights.values())
    else:
        listed = ordered(value, "class_weights", "'balanced' or one number a class", example="{'cat': 1.0, 'dog': 5.0}")
        found = weights = tuple(_number("class_weights", weight, above=False) for weight in listed)
    if not any(found):
        raise SpecError(
            f"class_weights={value!r} was given; at least one number above 0 is expected, else nothing is learnt."
        )
    return weights


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
