"""Metrics by name, measured once an epoch on all its outputs (torchmetrics does the arithmetic)."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from runtime.errors import SpecError, suggest
from toolkit.data.dataset import Task

__all__ = ["METRICS", "Outputs", "check_metrics", "default_metrics", "measure"]

METRICS: dict[str, tuple[Task, ...]] = {
    "acc": ("classification",),
    "mae": ("classification", "regression"),
    "mse": ("classification", "regression"),
    "rmse": ("regression",),
    "r2": ("regression",),
}
_ALIASES = {"accuracy": "acc"}


def default_metrics(task: Task) -> tuple[str, ...]:
    """The metrics of a task for which none are named."""
    return ("acc",) if task == "classification" else ("mae", "r2")


def check_metrics(names: Iterable[str], task: Task) -> tuple[str, ...]:
    """The registered names. Raises SpecError when one is unknown or not for this task."""
    found = []
    for name in names:
        key = _ALIASES.get(str(name).lower(), str(name).lower())
        if key not in METRICS:
            raise SpecError(f"There is no metric {name!r}.{suggest(str(name), METRICS)}")
        if task not in METRICS[key]:
            fitting = ", ".join(metric for metric, tasks in METRICS.items() if task in tasks)
            raise SpecError(f"The metric {name!r} does not fit {task}. Use one of: {fitting}.")
        found.append(key)
    return tuple(dict.fromkeys(found))


class Outputs:
    """Collects what the metrics need of an epoch: only the best class where that is enough."""

    def __init__(self, metrics: tuple[str, ...]) -> None:
        self.best_only = set(metrics) <= {"acc"}
        self.outputs: list[torch.Tensor] = []
        self.targets: list[torch.Tensor] = []

    def add(self, output: torch.Tensor, target: torch.Tensor) -> None:
        """Outputs (B, K) and targets of one batch."""
        output = output.detach()
        self.outputs.append(output.argmax(1) if self.best_only and output.ndim == 2 else output)
        self.targets.append(target)

    def gather(self) -> tuple[torch.Tensor, torch.Tensor]:
        """All of the epoch, on the CPU."""
        return torch.cat(self.outputs).cpu(), torch.cat(self.targets).cpu()


def measure(metrics: tuple[str, ...], outputs: torch.Tensor, targets: torch.Tensor, task: Task) -> dict[str, float]:
    """Metric name -> value.

    Args:
        metrics: registered names.
        outputs: for classification logits or probabilities (N, K) or class indices (N,); for regression values (N, T).
        targets: int64 (N,) or float32 (N, T).
        task: which of the two.

    r2 is left out for a single example, for which it is not defined.
    The errors (mae, mse) of a classifier are those of its probabilities against the one-hot targets.
    """
    from torchmetrics.functional import mean_absolute_error, mean_squared_error, r2_score
    from torchmetrics.functional.classification import multiclass_accuracy

    values: dict[str, float] = {}
    if task == "classification" and "acc" in metrics:
        best = outputs if outputs.ndim == 1 else outputs.argmax(1)
        classes = int(max(best.max(), targets.max())) + 1 if len(best) else 1
        values["acc"] = float(multiclass_accuracy(best, targets, num_classes=max(2, classes), average="micro"))
    if task == "classification" and outputs.ndim == 2:
        is_probability = bool((outputs >= 0).all()) and torch.allclose(
            outputs.sum(1), torch.ones(len(outputs)), atol=1e-3
        )
        outputs = outputs if is_probability else outputs.softmax(1)
        targets = torch.nn.functional.one_hot(targets, outputs.shape[1]).float()
    if "mae" in metrics:
        values["mae"] = float(mean_absolute_error(outputs, targets))
    if "mse" in metrics:
        values["mse"] = float(mean_squared_error(outputs, targets))
    if "rmse" in metrics:
        values["rmse"] = float(mean_squared_error(outputs, targets, squared=False))
    if "r2" in metrics:
        values |= {"r2": float(r2_score(outputs, targets))} if len(outputs) > 1 else {}
    return {name: values[name] for name in metrics if name in values}
