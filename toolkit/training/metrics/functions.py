"""The metrics: (outputs, targets, task, options) -> a value, or NaN where it is not defined. torchmetrics does the arithmetic of
classes; that of numbers is done in float64, which it does not do.

All tensors are on the CPU; outputs and targets are those of `toolkit.training.metrics.measure`, dense outputs with the classes
on their last axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from toolkit.tasks.class_indices import IGNORED
from toolkit.tasks.classification import are_probabilities
from toolkit.tasks.registry import find_task

__all__ = [
    "UNDEFINED",
    "accuracy",
    "auroc",
    "average_precision",
    "f1",
    "iou",
    "mae",
    "mse",
    "perplexity",
    "precision",
    "r2",
    "recall",
    "recall_at",
    "rmse",
]

UNDEFINED = float("nan")


def accuracy(
    outputs: torch.Tensor,
    targets: torch.Tensor,
    task: str,
    *,
    top_k: int = 1,
    average: str = "micro",
    threshold: float = 0.5,
) -> float:
    """Share of correct predictions: the true class among the `top_k` highest scores; for multilabel, per label."""
    separate = find_task(task).classes == "separate"
    if average == "micro" and (
        separate or top_k == 1
    ):  # torchmetrics takes longer to import than a small training takes
        if separate:
            found, expected = outputs > threshold, targets.round() > 0
        else:
            found, expected, _ = _best(outputs, targets, task)
        return float((found == expected).sum() / expected.numel()) if expected.numel() else UNDEFINED

    import torchmetrics.functional.classification as functional

    if separate:
        return _multilabel(functional.multilabel_accuracy, outputs, targets, average=average, threshold=threshold)
    if top_k > 1:
        scores, classes = _scores(outputs, targets, task)
        if not len(classes):
            return UNDEFINED
        function: Callable[..., torch.Tensor] = functional.multiclass_accuracy
        count = scores.shape[1]
        return float(function(scores, classes, count, top_k=min(top_k, count), average=average))
    return _multiclass(functional.multiclass_accuracy, outputs, targets, task, average=average)


def precision(
    outputs: torch.Tensor, targets: torch.Tensor, task: str, *, average: str = "macro", threshold: float = 0.5
) -> float:
    """True positives over predicted positives; the mean over the classes (macro)."""
    import torchmetrics.functional.classification as functional

    if find_task(task).classes == "separate":
        return _multilabel(functional.multilabel_precision, outputs, targets, average=average, threshold=threshold)
    return _multiclass(functional.multiclass_precision, outputs, targets, task, average=average)


def recall(
    outputs: torch.Tensor, targets: torch.Tensor, task: str, *, average: str = "macro", threshold: float = 0.5
) -> float:
    """True positives over actual positives; the mean over the classes (macro)."""
    import torchmetrics.functional.classification as functional

    if find_task(task).classes == "separate":
        return _multilabel(functional.multilabel_recall, outputs, targets, average=average, threshold=threshold)
    return _multiclass(functional.multiclass_recall, outputs, targets, task, average=average)


def f1(
    outputs: torch.Tensor, targets: torch.Tensor, task: str, *, average: str = "macro", threshold: float = 0.5
) -> float:
    """Harmonic mean of precision and recall; the mean over the classes (macro)."""
    import torchmetrics.functional.classification as functional

    if find_task(task).classes == "separate":
        return _multilabel(functional.multilabel_f1_score, outputs, targets, average=average, threshold=threshold)
    return _multiclass(functional.multiclass_f1_score, outputs, targets, task, average=average)


def auroc(outputs: torch.Tensor, targets: torch.Tensor, task: str, *, average: str = "macro") -> float:
    """Area under the ROC curve; the mean over the classes that have
    examples and counterexamples."""
    import torchmetrics.functional.classification as functional

    return _ranked(functional.multiclass_auroc, functional.multilabel_auroc, outputs, targets, task, average)


def average_precision(outputs: torch.Tensor, targets: torch.Tensor, task: str, *, average: str = "macro") -> float:
    """Area under the precision-recall curve; the mean over the classes that have examples and counterexamples."""
    import torchmetrics.functional.classification as functional

    return _ranked(
        functional.multiclass_average_precision,
        functional.multilabel_average_precision,
        outputs,
        targets,
        task,
        average,
    )


def iou(outputs: torch.Tensor, targets: torch.Tensor, task: str) -> float:
    """Intersection over union of predicted and true positions of a class; the mean over the classes that occur."""
    from torchmetrics.functional.classification import multiclass_jaccard_index

    best, classes, count = _best(outputs, targets, task)
    if not len(classes):
        return UNDEFINED
    occurring = torch.bincount(torch.cat([best, classes]), minlength=count) > 0
    return float(multiclass_jaccard_index(best, classes, count, average="none")[occurring].mean())


def perplexity(outputs: torch.Tensor, targets: torch.Tensor, task: str) -> float:
    """Exponential of the mean negative log-likelihood of the true classes."""
    from torchmetrics.functional.text import perplexity as of_sequences

    scores, classes = _scores(outputs, targets, task)
    if not len(classes):
        return UNDEFINED
    # torchmetrics applies a softmax, which leaves normalised logarithms as they are
    logarithms = scores.clamp_min(torch.finfo(scores.dtype).tiny).log() if are_probabilities(scores) else scores
    return float(of_sequences(logarithms[None], classes[None]))


def mae(outputs: torch.Tensor, targets: torch.Tensor, task: str) -> float:
    """Mean absolute error; of a classifier, that of its probabilities against 0 and 1."""
    outputs, targets = _values(outputs, targets, task)
    return float((outputs - targets).abs().mean())


def mse(outputs: torch.Tensor, targets: torch.Tensor, task: str) -> float:
    """Mean squared error; of a classifier, that of its probabilities against 0 and 1."""
    outputs, targets = _values(outputs, targets, task)
    return float((outputs - targets).square().mean())


def rmse(outputs: torch.Tensor, targets: torch.Tensor, task: str) -> float:
    """Square root of the mean squared error."""
    return math.sqrt(mse(outputs, targets, task))


def r2(outputs: torch.Tensor, targets: torch.Tensor, task: str) -> float:
    """Share of the targets' variance that is explained, the mean over the values that vary; not defined for a single example, or
    for targets all alike."""
    outputs, targets = _values(outputs, targets, task)
    outputs, targets = outputs.reshape(len(outputs), -1), targets.reshape(len(targets), -1)
    varying = (targets != targets[0]).any(0)
    if len(targets) < 2 or not bool(varying.any()):
        return UNDEFINED
    outputs, targets = outputs[:, varying], targets[:, varying]
    spread = (targets - targets.mean(0)).square().sum(0)
    return float((1 - (outputs - targets).square().sum(0) / spread).mean())


def recall_at(outputs: torch.Tensor, targets: torch.Tensor, task: str, *, k: int = 1) -> float:
    """Share of the vectors whose `k` nearest others by cosine hold one of their own class; of triplets, share of the
    anchors nearer to the positive than to the negative. Not defined for pairs, nor where no class occurs twice."""
    if outputs.ndim == 3:
        if outputs.shape[1] != 3:
            return UNDEFINED
        anchor, positive, negative = torch.nn.functional.normalize(outputs, dim=-1).unbind(1)
        return float(((anchor * positive).sum(-1) > (anchor * negative).sum(-1)).float().mean())
    if targets.is_floating_point():
        return UNDEFINED
    vectors = torch.nn.functional.normalize(outputs, dim=-1)
    hits, asked = 0, 0
    counts = torch.unique(targets, return_inverse=True, return_counts=True)
    for rows in torch.split(torch.arange(len(vectors)), 1024):  # (1024, N) similarities at a time
        similarity = vectors[rows] @ vectors.T
        similarity[torch.arange(len(rows)), rows] = -torch.inf
        nearest = similarity.topk(min(k, len(vectors) - 1), dim=1).indices
        found = (targets[nearest] == targets[rows, None]).any(1)
        has_another = counts[2][counts[1][rows]] > 1
        hits, asked = hits + int((found & has_another).sum()), asked + int(has_another.sum())
    return hits / asked if asked else UNDEFINED


# ---- what they share ---------------------------------------------------------------------------------------------------


def _best(outputs: torch.Tensor, targets: torch.Tensor, task: str) -> tuple[torch.Tensor, torch.Tensor, int]:
    """(Predicted classes (M,), true classes (M,), number of classes), at the positions that have a class."""
    best = outputs.argmax(-1) if outputs.is_floating_point() else outputs
    targets = targets.argmax(1) if targets.is_floating_point() else targets
    count = outputs.shape[-1] if outputs.is_floating_point() else 0
    best, targets = best.flatten(), targets.flatten()
    known = targets != IGNORED
    best, targets = best[known], targets[known]
    highest = int(max(best.max(), targets.max())) + 1 if len(best) else 1
    return best, targets, max(2, count, highest)


def _scores(outputs: torch.Tensor, targets: torch.Tensor, task: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(Logits or probabilities (M, K), true classes (M,)), at the positions that have a class."""
    targets = targets.argmax(1) if targets.is_floating_point() else targets
    scores, targets = outputs.reshape(-1, outputs.shape[-1]), targets.flatten()
    known = targets != IGNORED
    return (scores, targets) if bool(known.all()) else (scores[known], targets[known])


def _multiclass(
    function: Callable[..., torch.Tensor], outputs: torch.Tensor, targets: torch.Tensor, task: str, *, average: str
) -> float:
    best, classes, count = _best(outputs, targets, task)
    return float(function(best, classes, num_classes=count, average=average)) if len(classes) else UNDEFINED


def _multilabel(
    function: Callable[..., torch.Tensor],
    outputs: torch.Tensor,
    targets: torch.Tensor,
    *,
    average: str,
    threshold: float,
) -> float:
    present, wanted = (outputs > threshold).long(), targets.round().long()
    if outputs.shape[1] == 1:  # torchmetrics wants two labels at least; two that are the same have the mean of the one
        present, wanted = present.expand(-1, 2), wanted.expand(-1, 2)
    return float(function(present, wanted, num_labels=present.shape[1], average=average))


def _ranked(
    multiclass: Callable[..., torch.Tensor],
    multilabel: Callable[..., torch.Tensor],
    outputs: torch.Tensor,
    targets: torch.Tensor,
    task: str,
    average: str,
) -> float:
    """The mean over the classes for which a ranking is defined: those with examples and counterexamples."""
    if find_task(task).classes == "separate":
        scores, wanted = outputs, targets.round().long()
        if scores.shape[1] == 1:
            scores, wanted = scores.expand(-1, 2), wanted.expand(-1, 2)
        values = multilabel(scores, wanted, num_labels=scores.shape[1], average="none")
        support = wanted.sum(0)
    else:
        scores, classes = _scores(outputs, targets, task)
        if not len(classes):
            return UNDEFINED
        scores = scores if are_probabilities(scores) else scores.softmax(1)
        values = multiclass(scores, classes, num_classes=scores.shape[1], average="none")
        support = torch.bincount(classes, minlength=scores.shape[1])
    defined = (support > 0) & (support < len(scores))
    if not bool(defined.any()):
        return UNDEFINED
    weights = support[defined].float() if average == "weighted" else torch.ones(int(defined.sum()))
    return float((values[defined] * weights).sum() / weights.sum())


def _values(outputs: torch.Tensor, targets: torch.Tensor, task: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(Outputs, targets) to compare, float64: values (N, T); for a classifier, probabilities and one-hot targets (N, K).

    Squares and means of float32 lose numbers that are tiny, huge, or alike but for a few digits.
    """
    outputs, targets = find_task(task).metric_values(outputs, targets)
    return outputs.double(), targets.double()
