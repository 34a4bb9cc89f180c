"""Outputs of an epoch collected for its metrics, and `measure`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch

from toolkit.data.dataset import Task
from toolkit.training.metrics.functions import UNDEFINED
from toolkit.training.metrics.registry import CLASSES, find_metric, metric_key
from toolkit.training.settings import Named

__all__ = ["Outputs", "measure"]


class Outputs:
    """Outputs and targets of an epoch, collected for the metrics; only the predicted class where that is enough.

    Args:
        metrics: as `check_metrics` returned them.
        task: of the data.
    """

    def __init__(self, metrics: tuple[Named, ...], task: Task = "classification") -> None:
        self.task = task
        found = [find_metric(metric) for metric in metrics]
        self.best_only = task in CLASSES and all(entry.best_only and "top_k" not in options for entry, options in found)
        self.outputs: list[torch.Tensor] = []
        self.targets: list[torch.Tensor] = []
        self._earlier: list[tuple[torch.Tensor, torch.Tensor]] = []

    def add(self, output: torch.Tensor, target: torch.Tensor) -> None:
        """Add outputs and targets of one batch, in the shapes that `measure` takes."""
        output = output.detach()
        if self.best_only and output.ndim > 1:
            output = output.argmax(class_axis(output, self.task))
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


def measure(metrics: tuple[Named, ...], outputs: torch.Tensor, targets: torch.Tensor, task: Task) -> dict[str, float]:
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
    outputs = outputs.float() if outputs.is_floating_point() else outputs
    outputs, targets = outputs.cpu(), targets.cpu()
    if task == "dense":
        if outputs.ndim > targets.ndim and class_axis(outputs, task) == 1:
            outputs = outputs.movedim(1, -1)
        if outputs.shape[: targets.ndim] != targets.shape:
            return values  # transcripts (CTC) are no class for each position
    with warnings.catch_warnings():
        # torchmetrics' warning of classes without examples: the metric is left out instead
        warnings.filterwarnings("ignore", category=UserWarning, module="torchmetrics")
        for metric in metrics:
            entry, options = find_metric(metric)
            # metrics of classes do not apply to vectors
            value = entry.measure(outputs, targets, task, **options) if task in entry.tasks else UNDEFINED
            if value == value:  # NaN differs from itself
                values[metric_key(metric)] = value
    return values


def class_axis(outputs: torch.Tensor, task: Task) -> int:
    """Class axis of outputs: 1, but 2 for a sequence's (N, L, K)."""
    return 2 if task == "dense" and outputs.ndim == 3 else 1
