"""Registry of losses: tasks, and the outputs and targets that each takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from toolkit.data.dataset import Task
from toolkit.training.losses.distances import triplet_margin_with_distance

__all__ = ["LOSSES", "LossEntry", "OutputKind", "TargetKind", "default_loss", "fitting"]

OutputKind: TypeAlias = Literal[
    "logits", "log-probabilities", "probabilities", "values", "means and variances", "vectors", "scores"
]
TargetKind: TypeAlias = Literal["classes", "values", "signs", "index lists", "sequences", "pairs", "triplets", "ranks"]


@dataclass(frozen=True)
class LossEntry:
    """One loss.

    Attributes:
        constructor: torch's module; the keywords of its signature are the options.
        doc: description for the reference page.
        tasks: tasks of the data sets that it fits.
        output: kind of network output it takes: logits (also of a network that ends in softmax), the plain output, ...
        target: form of its targets; "values" are numbers, 0 and 1 for classes and labels.
        class_weights: True if it takes one weight per class.
        soft_targets: True if it takes soft targets (B, K), as MixUp makes them.
    """

    constructor: Callable[..., torch.nn.Module]
    doc: str
    tasks: tuple[Task, ...]
    output: OutputKind
    target: TargetKind
    class_weights: bool = False
    soft_targets: bool = False


_VALUED: tuple[Task, ...] = ("regression", "classification", "multilabel")
_PAIRED: tuple[Task, ...] = ("embedding", "classification")

LOSSES: dict[str, LossEntry] = {
    "CrossEntropyLoss": LossEntry(
        torch.nn.CrossEntropyLoss,
        "Negative logarithm of the true class's probability, from logits; label_smoothing shares some with the others.",
        ("classification", "dense"),
        "logits",
        "classes",
        class_weights=True,
        soft_targets=True,
    ),
    "NLLLoss": LossEntry(
        torch.nn.NLLLoss,
        "Negative logarithm of the true class's probability, for a network that ends in logsoftmax or softmax.",
        ("classification", "dense"),
        "log-probabilities",
        "classes",
        class_weights=True,
    ),
    "MultiMarginLoss": LossEntry(
        torch.nn.MultiMarginLoss,
        "The true class's logit beats every other by the margin (multi-class hinge).",
        ("classification",),
        "logits",
        "classes",
        class_weights=True,
    ),
    "BCELoss": LossEntry(
        torch.nn.BCELoss,
        "Binary cross-entropy of each probability, for a network that ends in sigmoid or softmax; targets in [0, 1].",
        ("multilabel", "classification", "regression"),
        "probabilities",
        "values",
        class_weights=True,
        soft_targets=True,
    ),
    "BCEWithLogitsLoss": LossEntry(
        torch.nn.BCEWithLogitsLoss,
        "Binary cross-entropy of the sigmoid of each logit; pos_weight weighs the presence of each label.",
        ("multilabel", "classification"),
        "logits",
        "values",
        class_weights=True,
        soft_targets=True,
    ),
    "MultiLabelSoftMarginLoss": LossEntry(
        torch.nn.MultiLabelSoftMarginLoss,
        "Binary cross-entropy of the sigmoid of each logit, as the mean over the labels.",
        ("multilabel", "classification"),
        "logits",
        "values",
        class_weights=True,
        soft_targets=True,
    ),
    "SoftMarginLoss": LossEntry(
        torch.nn.SoftMarginLoss,
        "log(1 + exp(-y x)) of each logit x, where y is +1 for the labels that hold and -1 for others.",
        ("multilabel", "classification"),
        "logits",
        "signs",
    ),
    "MultiLabelMarginLoss": LossEntry(
        torch.nn.MultiLabelMarginLoss,
        "The logit of each label that holds beats that of each other by 1 (multi-label hinge).",
        ("multilabel", "classification"),
        "logits",
        "index lists",
    ),
    "MSELoss": LossEntry(
        torch.nn.MSELoss,
        "Mean squared error; of classes and labels, that of the output against 0 and 1.",
        _VALUED,
        "values",
        "values",
        soft_targets=True,
    ),
    "L1Loss": LossEntry(
        torch.nn.L1Loss,
        "Mean absolute error; of classes and labels, that of the output against 0 and 1.",
        _VALUED,
        "values",
        "values",
        soft_targets=True,
    ),
    "SmoothL1Loss": LossEntry(
        torch.nn.SmoothL1Loss,
        "Squared error below beta, absolute error above it (Girshick, Fast R-CNN, 2015).",
        _VALUED,
        "values",
        "values",
        soft_targets=True,
    ),
    "HuberLoss": LossEntry(
        torch.nn.HuberLoss,
        "Squared error below delta, delta times the absolute error above it (Huber 1964).",
        _VALUED,
        "values",
        "values",
        soft_targets=True,
    ),
    "KLDivLoss": LossEntry(
        torch.nn.KLDivLoss,
        "Kullback-Leibler divergence from distributions: of classes, shares of classes, or rows of numbers that sum to 1. "
        "Its mean is over the examples (torch's batchmean).",
        ("classification", "regression"),
        "log-probabilities",
        "values",
        soft_targets=True,
    ),
    "PoissonNLLLoss": LossEntry(
        torch.nn.PoissonNLLLoss,
        "Negative log-likelihood of counts under the Poisson distribution, whose rate's logarithm the network gives "
        "(log_input=True) or the rate itself.",
        ("regression",),
        "values",
        "values",
    ),
    "GaussianNLLLoss": LossEntry(
        torch.nn.GaussianNLLLoss,
        "Negative log-likelihood under the normal distribution: for T targets the network gives 2 T numbers, the means "
        "and then what softplus turns into variances (Nix and Weigend 1994).",
        ("regression",),
        "means and variances",
        "values",
    ),
    "CTCLoss": LossEntry(
        torch.nn.CTCLoss,
        "Negative log-likelihood of a transcript that is shorter than the sequence and not aligned with it, from logits "
        "(N, L, K) with a class for the blank (Graves et al. 2006).",
        ("dense",),
        "logits",
        "sequences",
    ),
    "MarginRankingLoss": LossEntry(
        torch.nn.MarginRankingLoss,
        "The higher of two scores belongs to the higher of two examples, by the margin: of pairs (+1 where the first is "
        "higher); of neighbours in a batch for regression; of classes, an example of a class scores higher for it than "
        "the batch's next example of another.",
        ("embedding", "regression", "classification"),
        "scores",
        "ranks",
    ),
    "CosineEmbeddingLoss": LossEntry(
        torch.nn.CosineEmbeddingLoss,
        "Vectors of a pair that is alike point the same way, those of another differ by more than the margin's cosine.",
        _PAIRED,
        "vectors",
        "pairs",
    ),
    "HingeEmbeddingLoss": LossEntry(
        torch.nn.HingeEmbeddingLoss,
        "Euclidean distance of a pair that is alike; of another, how much it lacks to the margin.",
        _PAIRED,
        "vectors",
        "pairs",
    ),
    "TripletMarginLoss": LossEntry(
        torch.nn.TripletMarginLoss,
        "An anchor is nearer to its like than to another, by the margin (Balntas et al. 2016).",
        _PAIRED,
        "vectors",
        "triplets",
    ),
    "TripletMarginWithDistanceLoss": LossEntry(
        triplet_margin_with_distance,
        "An anchor is nearer to its like than to another, by the margin; distance is euclidean, cosine or manhattan.",
        _PAIRED,
        "vectors",
        "triplets",
    ),
}


def default_loss(task: Task, views: int = 1) -> str:
    """The loss of a task for which none is named; for embeddings it depends on the inputs of one example."""
    usual = {"regression": "MSELoss", "multilabel": "BCEWithLogitsLoss"}
    if task == "embedding":
        return "TripletMarginLoss" if views == 3 else "CosineEmbeddingLoss"
    return usual.get(task, "CrossEntropyLoss")


def fitting(task: Task) -> str:
    """The names of the losses for a task, for a message."""
    return ", ".join(name for name, entry in LOSSES.items() if task in entry.tasks)
