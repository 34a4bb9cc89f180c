"""Registry of metrics by name: direction and options. Which fit a task, the task says."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from runtime.errors import SpecError
from toolkit.tasks.classification import are_probabilities
from toolkit.tasks.registry import find_task
from toolkit.training.metrics import functions
from toolkit.training.named import check_options, find_name, join_named, split_named
from toolkit.training.settings import Named

__all__ = [
    "METRICS",
    "MetricEntry",
    "check_metrics",
    "default_metrics",
    "find_metric",
    "fits",
    "has_direction",
    "higher_is_better",
    "metric_key",
]


@dataclass(frozen=True)
class MetricEntry:
    """One metric.

    Attributes:
        measure: (outputs, targets, task, options...) -> value, NaN where it is not defined; its keywords are the options.
        higher: True if higher is better; None where a function of the user's own does not say.
        best_only: True if it needs only the predicted class of each output (accuracy: unless top_k is above 1).
    """

    measure: Callable[..., float]
    higher: bool | None = True
    best_only: bool = False

    @property
    def doc(self) -> str:
        """Docstring of the metric, for the reference page."""
        return inspect.cleandoc(self.measure.__doc__ or "")


METRICS: dict[str, MetricEntry] = {
    "acc": MetricEntry(functions.accuracy, best_only=True),
    "precision": MetricEntry(functions.precision, best_only=True),
    "recall": MetricEntry(functions.recall, best_only=True),
    "f1": MetricEntry(functions.f1, best_only=True),
    "auroc": MetricEntry(functions.auroc),
    "average_precision": MetricEntry(functions.average_precision),
    "iou": MetricEntry(functions.iou, best_only=True),
    "perplexity": MetricEntry(functions.perplexity, higher=False),
    "mae": MetricEntry(functions.mae, higher=False),
    "mse": MetricEntry(functions.mse, higher=False),
    "rmse": MetricEntry(functions.rmse, higher=False),
    "r2": MetricEntry(functions.r2),
    "recall_at": MetricEntry(functions.recall_at),
}
# Functions of the user's own that were given in this process, by their names.
_OWN: dict[str, MetricEntry] = {}
_ALIASES = {"accuracy": "acc", "miou": "iou", "f1_score": "f1", "f1score": "f1"}
_AVERAGES = ("micro", "macro", "weighted")
_TOP = re.compile(r"top_?(\d+)")


def default_metrics(task: str) -> tuple[str, ...]:
    """The metrics of a task for which none are named."""
    return find_task(task).default_metrics


def check_metrics(names: Iterable[Named | Callable[..., Any]], task: str) -> tuple[Named, ...]:
    """The registered names, or mappings of a name with checked options, once each.

    Args:
        names: such as "acc", "top5", or {"name": "f1", "average": "micro"}, without regard to case; or a function of (outputs, targets),
            of a whole epoch, that gives a number: (N, K) probabilities and (N,) classes, dense ones with the classes on the last
            axis, (N, K) probabilities and 0 or 1 of several labels, (N, T) values and targets, (N, D) vectors and (N,) classes. It goes by its name; its attribute
            ``higher_is_better``, True or False, lets `monitor` follow it.
        task: of the data.

    Raises:
        SpecError: one is unknown or not for this task, or an option is unknown.
    """
    found = {metric_key(setting): setting for setting in (_check(name, task) for name in names)}
    return tuple(found.values())


def metric_key(setting: Named) -> str:
    """Key of a metric in the history: "acc", "top3", "f1_micro", "recall_threshold_0.3"."""
    name, options = split_named(setting, "metric")
    parts = [str(name)]
    for option, value in options.items():
        parts.append(str(value) if isinstance(value, str) else f"{option}_{value:g}")
    return "_".join(parts)


def higher_is_better(key: str) -> bool:
    """True if a value of the history, such as "val_acc" or "loss", improves when it rises."""
    name = key.removeprefix("val_").removeprefix("test_")
    if name in _OWN:
        return bool(_OWN[name].higher)
    fitting = [metric for metric in METRICS if name == metric or name.startswith(f"{metric}_")]
    if name == "loss" or not fitting:
        return name.startswith("top")
    return bool(METRICS[max(fitting, key=len)].higher)


def find_metric(metric: Named) -> tuple[MetricEntry, dict[str, Any]]:
    """(entry, options) of what `check_metrics` returned."""
    name, options = _read(metric)
    return _OWN[name] if name in _OWN else METRICS[name], options


def fits(metric: Named, task: str) -> bool:
    """True if what `check_metrics` returned applies to a task."""
    name = _read(metric)[0]
    return name in _OWN or name in find_task(task).metrics


def _read(metric: Named) -> tuple[str, dict[str, Any]]:
    """(registered name, options) of what `check_metrics` returned."""
    name, options = split_named(metric, "metric")
    top = _TOP.fullmatch(name)
    return ("acc", {"top_k": int(top[1])}) if top else (name, options)


def has_direction(key: str) -> bool:
    """False for a value of the history, such as "val_mine", of a function that does not say whether higher is better."""
    name = key.removeprefix("val_")
    return name not in _OWN or _OWN[name].higher is not None


def _take_own(function: Callable[..., Any]) -> str:
    """Register a function of the user's own; returns its name."""
    name = getattr(function, "__name__", type(function).__name__)
    taken = name.lower() in (*METRICS, *_ALIASES, "loss", "lr", "seconds", "epoch") or _TOP.fullmatch(name.lower())
    if not name.isidentifier() or taken or any(name.lower().startswith(f"{known}_") for known in METRICS):
        raise SpecError(
            f"The metric {function!r} goes by its name, and {name!r} {'is taken' if taken else 'cannot be one'}. Write it as a function "
            f"with a name of its own: def my_metric(outputs, targets)."
        )
    higher = getattr(function, "higher_is_better", None)

    def measure(outputs: Any, targets: Any, task: str) -> float:
        if find_task(task).classes == "exclusive":  # whether the network ends in a softmax or not
            scores = outputs.reshape(-1, outputs.shape[-1])
            outputs = (scores if are_probabilities(scores) else scores.softmax(-1)).reshape(outputs.shape)
        value = function(outputs, targets)
        try:
            return float(value)
        except (TypeError, ValueError, RuntimeError):
            raise SpecError(
                f"The metric {name} gave {type(value).__name__} {value!r:.80}; a number is expected."
            ) from None

    _OWN[name] = MetricEntry(measure, higher=None if higher is None else bool(higher))
    return name


def _check(metric: Any, task: str) -> Named:
    name, options = split_named(metric, "metric")
    if callable(name):
        return _take_own(name)
    if name in _OWN and not options:
        return str(name)
    top = _TOP.fullmatch(str(name).lower())
    if top:
        name, options = "acc", {"top_k": int(top[1]), **options}
    try:
        key = find_name(_ALIASES.get(str(name).lower(), name), METRICS, "metric")
    except SpecError as error:
        raise SpecError(f"{error} A function of your own is given itself: metrics=[function].") from None
    entry = METRICS[key]
    if key not in find_task(task).metrics:
        fitting = ", ".join(other for other in METRICS if other in find_task(task).metrics) or "none"
        raise SpecError(f"The metric {name!r} does not fit {task}. Use one of: {fitting}.")
    checked = check_options(entry.measure, options, f"The metric {key!r}", ("outputs", "targets", "task"))
    averages = _AVERAGES if key not in ("auroc", "average_precision") else ("macro", "weighted")
    if checked.get("average", averages[0]) not in averages:
        raise SpecError(
            f"The metric {key!r} was given average={checked['average']!r}; one of {', '.join(averages)} is expected."
        )
    for count in ("top_k", "k"):
        if not isinstance(checked.get(count, 1), int) or checked.get(count, 1) < 1:
            raise SpecError(
                f"The metric {key!r} was given {count}={checked[count]!r}; a whole number of at least 1 is expected."
            )
    if not 0 < checked.get("threshold", 0.5) < 1:
        raise SpecError(
            f"The metric {key!r} was given threshold={checked['threshold']!r}; a number between 0 and 1 is expected."
        )
    parameters = inspect.signature(entry.measure).parameters
    changed = {option: value for option, value in checked.items() if value != parameters[option].default}
    if set(changed) == {"top_k"}:
        return f"top{changed['top_k']}"
    return join_named(key, changed)
