"""Outputs of an epoch collected for its metrics, and `measure`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from toolkit.tasks.protocols import Meter
from toolkit.tasks.registry import DEFAULT_TASK, find_task
from toolkit.training.metrics.functions import UNDEFINED
from toolkit.training.metrics.registry import find_metric, fits, metric_key
from toolkit.training.settings import Named

__all__ = ["Outputs", "make_meter", "measure"]


def make_meter(metrics: tuple[Named, ...], task: str) -> Meter:
    """The task's own meter, else `Outputs`."""
    own = find_task(task).meter(metrics)
    return Outputs(metrics, task) if own is None else own


class Outputs:
    """Outputs and targets of an epoch, collected for the metrics; only the predicted class where that is enough.

    Args:
        metrics: as `check_metrics` returned them.
        task: of the data.
    """

    def __init__(self, metrics: tuple[Named, ...], task: str = DEFAULT_TASK) -> None:
        self.metrics, self.task = metrics, task
        self.class_axis = find_task(task).class_axis
        found = [find_metric(metric) for metric in metrics]
        exclusive = find_task(task).classes == "exclusive"
        self.best_only = exclusive and all(entry.best_only and "top_k" not in options for entry, options in found)
        self.outputs: list[torch.Tensor] = []
        self.targets: list[torch.Tensor] = []
        self._earlier: list[tuple[torch.Tensor, torch.Tensor]] = []

    def add(self, output: torch.Tensor, target: torch.Tensor) -> None:
        """Add outputs and targets of one batch, in the shapes that `measure` takes."""
        output = output.detach()
        if self.best_only and output.ndim > 1:
            output = output.argmax(self.class_axis(output.ndim))
            # soft targets (B, K) of a mixed batch
            target = target.argmax(1) if target.is_floating_point() and target.ndim == 2 else target
        self.outputs.append(output)
        self.targets.append(target)

    def gather(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(Outputs, targets) of the whole epoch, on the CPU."""
        parts = list(self._earlier)
        if self.outputs:
            parts.append((torch.cat(self.outputs).cpu(), torch.cat(self.targets).cpu()))
        if not parts:
            return torch.empty(0), torch.empty(0)
        if len(parts) == 1:
            return parts[0]
        return torch.cat([output for output, _ in parts]), torch.cat([target for _, target in parts])

    def state(self) -> dict[str, torch.Tensor]:
        """State for a resume within an epoch: the outputs and targets collected so far."""
        outputs, targets = self.gather()
        return {"outputs": outputs, "targets": targets}

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue from what `state` returned."""
        outputs, targets = state["outputs"], state["targets"]
        self._earlier = [(outputs, targets)] if len(outputs) else []
        self.outputs, self.targets = [], []

    def measure(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """The states of all processes -> key in the history -> value."""
        shares = [part for part in parts if len(part["outputs"])]
        if not shares:
            return {}
        outputs, targets = (torch.cat([share[name] for share in shares]) for name in ("outputs", "targets"))
        return measure(self.metrics, outputs, targets, self.task)


def measure(metrics: tuple[Named, ...], outputs: torch.Tensor, targets: torch.Tensor, task: str) -> dict[str, float]:
    """Compute metrics: key in the history -> value; a metric that is not defined for these examples is left out.

    Args:
        metrics: as `check_metrics` returned them.
        outputs: by task:
            classification: logits or probabilities (N, K), or class indices (N,);
            multilabel: probabilities (N, K);
            regression: values (N, T);
            dense: logits or probabilities (N, L, K) or (N, K, H, W), or class indices of the targets' shape;
            embedding: vectors (N, D) with int64 classes, or (N, 2, D) pairs and (N, 3, D) triplets.
        targets: as the data set has them; float32 (N, K) too for classes that were mixed.
        task: the task.
    """
    values: dict[str, float] = {}
    if not len(outputs):
        return values
    outputs = outputs.float() if outputs.is_floating_point() and outputs.dtype != torch.float64 else outputs
    outputs, targets = outputs.cpu(), targets.cpu()
    arranged = find_task(task).arrange(outputs, targets)
    if arranged is None:
        return values
    outputs, targets = arranged
    with warnings.catch_warnings():
        # torchmetrics' warning of classes without examples: the metric is left out instead
        warnings.filterwarnings("ignore", category=UserWarning, module="torchmetrics")
        for metric in metrics:
            entry, options = find_metric(metric)
            # metrics of classes do not apply to vectors
            value = entry.measure(outputs, targets, task, **options) if fits(metric, task) else UNDEFINED
            if value == value:  # NaN differs from itself
                values[metric_key(metric)] = value
    return values
