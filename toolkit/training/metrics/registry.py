"""Registry of metrics by name: tasks, direction and options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from runtime.errors import SpecError
from toolkit.data.dataset import Task
from toolkit.training.metrics import functions
from toolkit.training.named import check_options, find_name, join_named, split_named
from toolkit.training.settings import Named

__all__ = [
    "METRICS",
    "MetricEntry",
    "check_metrics",
    "default_metrics",
    "find_metric",
    "higher_is_better",
    "metric_key",
]

CLASSES: tuple[Task, ...] = ("classification", "dense")
LABELS: tuple[Task, ...] = ("classification", "multilabel", "dense")


@dataclass(frozen=True)
class MetricEntry:
    """One metric.

    Attributes:
        measure: (outputs, targets, task, options...) -> value, NaN where it is not defined; its keywords are the options.
        tasks: the tasks that it fits.
        higher: True if higher is better.
        best_only: True if it needs only the predicted class of each output (accuracy: unless top_k is above 1).
    """

    measure: Callable[..., float]
    tasks: tuple[Task, ...]
    higher: bool = True
    best_only: bool = False

    @property
    def doc(self) -> str:
        """Docstring of the metric, for the reference page."""
        return inspect.cleandoc(self.measure.__doc__ or "")


METRICS: dict[str, MetricEntry] = {
    "acc": MetricEntry(functions.accuracy, LABELS, best_only=True),
    "precision": MetricEntry(functions.precision, LABELS, best_only=True),
    "recall": MetricEntry(functions.recall, LABELS, best_only=True),
    "f1": MetricEntry(functions.f1, LABELS, best_only=True),
    "auroc": MetricEntry(functions.auroc, LABELS),
    "average_precision": MetricEntry(functions.average_precision, LABELS),
    "iou": MetricEntry(functions.iou, ("dense",), best_only=True),
    "perplexity": MetricEntry(functions.perplexity, CLASSES, higher=False),
    "mae": MetricEntry(functions.mae, ("classification", "regression"), higher=False),
    "mse": MetricEntry(functions.mse, ("classification", "regression"), higher=False),
    "rmse": MetricEntry(functions.rmse, ("regression",), higher=False),
    "r2": MetricEntry(functions.r2, ("regression",)),
    "recall_at": MetricEntry(functions.recall_at, ("classification", "embedding")),
}
_ALIASES = {"accuracy": "acc", "miou": "iou", "f1_score": "f1", "f1score": "f1"}
_AVERAGES = ("micro", "macro", "weighted")
_TOP = re.compile(r"top_?(\d+)")


def default_metrics(task: Task) -> tuple[str, ...]:
    """The metrics of a task for which none are named."""
    usual: dict[str, tuple[str, ...]] = {"regression": ("mae", "r2"), "multilabel": ("acc", "f1"), "embedding": ()}
    return usual.get(task, ("acc",))


def check_metrics(names: Iterable[Named], task: Task) -> tuple[Named, ...]:
    """The registered names, or mappings of a name with checked options, once each.

    Args:
        names: such as "acc", "top5", or {"name": "f1", "average": "micro"}; without regard to case.
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
    fitting = [metric for metric in METRICS if name == metric or name.startswith(f"{metric}_")]
    if name == "loss" or not fitting:
        return name.startswith("top")
    return METRICS[max(fitting, key=len)].higher


def find_metric(metric: Named) -> tuple[MetricEntry, dict[str, Any]]:
    """(entry, options) of what `check_metrics` returned."""
    name, options = split_named(metric, "metric")
    top = _TOP.fullmatch(name)
    return (METRICS["acc"], {"top_k": int(top[1])}) if top else (METRICS[name], options)


def _check(metric: Any, task: Task) -> Named:
    name, options = split_named(metric, "metric")
    top = _TOP.fullmatch(str(name).lower())
    if top:
        name, options = "acc", {"top_k": int(top[1]), **options}
    key = find_name(_ALIASES.get(str(name).lower(), name), METRICS, "metric")
    entry = METRICS[key]
    if task not in entry.tasks:
        fitting = ", ".join(other for other, known in METRICS.items() if task in known.tasks) or "none"
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
