"""Registry of losses: the outputs and targets that each takes. Which fit a task, the task says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from toolkit.tasks.registry import find_task
from toolkit.training.losses.distances import triplet_margin_with_distance

__all__ = ["LOSSES", "LossEntry", "OutputKind", "Scaling", "TargetKind", "default_loss", "fitting"]

OutputKind: TypeAlias = Literal[
    "logits", "log-probabilities", "probabilities", "values", "means and variances", "vectors", "scores"
]
Scaling: TypeAlias = Literal["linear", "square", "likelihood"]
TargetKind: TypeAlias = Literal["classes", "values", "signs", "index lists", "sequences", "pairs", "triplets", "ranks"]


@dataclass(frozen=True)
class LossEntry:
    """One loss.

    Attributes:
        constructor: torch's module; the keywords of its signature are the options.
        doc: description for the reference page.
        output: kind of network output it takes: logits (also of a network that ends in softmax), the plain output, ...
        target: form of its targets; "values" are numbers, 0 and 1 for classes and labels.
        class_weights: True if it takes one weight per class.
        soft_targets: True if it takes soft targets (B, K), as MixUp makes them.
        scaling: how its value grows with the unit of the targets, where it may be computed on scaled ones: in proportion, with the
            square, or by the unit's logarithm; None where it needs the targets as they are, such as counts or probabilities.
    """

    constructor: Callable[..., torch.nn.Module]
    doc: str
    output: OutputKind
    target: TargetKind
    class_weights: bool = False
    soft_targets: bool = False
    scaling: Scaling | None = None


LOSSES: dict[str, LossEntry] = {
    "CrossEntropyLoss": LossEntry(
        torch.nn.CrossEntropyLoss,
        "Negative logarithm of the true class's probability, from logits; label_smoothing shares some with the others.",
        "logits",
        "classes",
        class_weights=True,
        soft_targets=True,
    ),
    "NLLLoss": LossEntry(
        torch.nn.NLLLoss,
        "Negative logarithm of the true class's probability, for a network that ends in logsoftmax or softmax.",
        "log-probabilities",
        "classes",
        class_weights=True,
    ),
    "MultiMarginLoss": LossEntry(
        torch.nn.MultiMarginLoss,
        "The true class's logit beats every other by the margin (multi-class hinge).",
        "logits",
        "classes",
        class_weights=True,
    ),
    "BCELoss": LossEntry(
        torch.nn.BCELoss,
        "Binary cross-entropy of each probability, for a network that ends in sigmoid or softmax; targets in [0, 1].",
        "probabilities",
        "values",
        class_weights=True,
        soft_targets=True,
    ),
    "BCEWithLogitsLoss": LossEntry(
        torch.nn.BCEWithLogitsLoss,
        "Binary cross-entropy of the sigmoid of each logit; pos_weight weighs the presence of each label.",
        "logits",
        "values",
        class_weights=True,
        soft_targets=True,
    ),
    "MultiLabelSoftMarginLoss": LossEntry(
        torch.nn.MultiLabelSoftMarginLoss,
        "Binary cross-entropy of the sigmoid of each logit, as the mean over the labels.",
        "logits",
        "values",
        class_weights=True,
        soft_targets=True,
    ),
    "SoftMarginLoss": LossEntry(
        torch.nn.SoftMarginLoss,
        "log(1 + exp(-y x)) of each logit x, where y is +1 for the labels that hold and -1 for others.",
        "logits",
        "signs",
    ),
    "MultiLabelMarginLoss": LossEntry(
        torch.nn.MultiLabelMarginLoss,
        "The logit of each label that holds beats that of each other by 1 (multi-label hinge).",
        "logits",
        "index lists",
    ),
    "MSELoss": LossEntry(
        torch.nn.MSELoss,
        "Mean squared error; of classes and labels, that of the output against 0 and 1.",
        "values",
        "values",
        soft_targets=True,
        scaling="square",
    ),
    "L1Loss": LossEntry(
        torch.nn.L1Loss,
        "Mean absolute error; of classes and labels, that of the output against 0 and 1.",
        "values",
        "values",
        soft_targets=True,
        scaling="linear",
    ),
    "SmoothL1Loss": LossEntry(
        torch.nn.SmoothL1Loss,
        "Squared error below beta, absolute error above it (Girshick, Fast R-CNN, 2015); of scaled targets beta counts in "
        "their deviations.",
        "values",
        "values",
        soft_targets=True,
        scaling="linear",
    ),
    "HuberLoss": LossEntry(
        torch.nn.HuberLoss,
        "Squared error below delta, delta times the absolute error above it (Huber 1964); of scaled targets delta counts in "
        "their deviations.",
        "values",
        "values",
        soft_targets=True,
        scaling="square",
    ),
    "KLDivLoss": LossEntry(
        torch.nn.KLDivLoss,
        "Kullback-Leibler divergence from distributions: of classes, shares of classes, or rows of numbers that sum to 1. "
        "Its mean is over the examples (torch's batchmean).",
        "log-probabilities",
        "values",
        soft_targets=True,
    ),
    "PoissonNLLLoss": LossEntry(
        torch.nn.PoissonNLLLoss,
        "Negative log-likelihood of counts under the Poisson distribution, whose rate's logarithm the network gives "
        "(log_input=True) or the rate itself.",
        "values",
        "values",
    ),
    "GaussianNLLLoss": LossEntry(
        torch.nn.GaussianNLLLoss,
        "Negative log-likelihood under the normal distribution: for T targets the network gives 2 T numbers, the means "
        "and then what softplus turns into variances (Nix and Weigend 1994).",
        "means and variances",
        "values",
        scaling="likelihood",
    ),
    "CTCLoss": LossEntry(
        torch.nn.CTCLoss,
        "Negative log-likelihood of a transcript that is shorter than the sequence and not aligned with it, from logits "
        "(N, L, K) with a class for the blank (Graves et al. 2006).",
        "logits",
        "sequences",
    ),
    "MarginRankingLoss": LossEntry(
        torch.nn.MarginRankingLoss,
        "The higher of two scores belongs to the higher of two examples, by the margin: of pairs (+1 where the first is "
        "higher); of neighbours in a batch for regression; of classes, an example of a class scores higher for it than "
        "the batch's next example of another.",
        "scores",
        "ranks",
    ),
    "CosineEmbeddingLoss": LossEntry(
        torch.nn.CosineEmbeddingLoss,
        "Vectors of a pair that is alike point the same way, those of another differ by more than the margin's cosine.",
        "vectors",
        "pairs",
    ),
    "HingeEmbeddingLoss": LossEntry(
        torch.nn.HingeEmbeddingLoss,
        "Euclidean distance of a pair that is alike; of another, how much it lacks to the margin.",
        "vectors",
        "pairs",
    ),
    "TripletMarginLoss": LossEntry(
        torch.nn.TripletMarginLoss,
        "An anchor is nearer to its like than to another, by the margin (Balntas et al. 2016).",
        "vectors",
        "triplets",
    ),
    "TripletMarginWithDistanceLoss": LossEntry(
        triplet_margin_with_distance,
        "An anchor is nearer to its like than to another, by the margin; distance is euclidean, cosine or manhattan.",
        "vectors",
        "triplets",
    ),
}


def default_loss(task: str, views: int = 1) -> str:
    """The loss of a task for which none is named; for embeddings it depends on the inputs of one example."""
    return find_task(task).default_loss(views)


def fitting(task: str) -> str:
    """The names of the losses for a task, for a message."""
    known = find_task(task).losses
    return ", ".join(name for name in LOSSES if name in known)
