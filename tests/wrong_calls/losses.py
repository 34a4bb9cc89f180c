"""Losses and metrics that do not fit the task, the targets or the network's output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from toolkit import nn
from toolkit.data.readers.pairs import load_pairs
from toolkit.data.source import Source
from wrong_calls import Call
from wrong_calls.small import KINDS, NAN, PICTURES, ROWS, STEP_KINDS, STEPS, train


class NoWeights(torch.nn.Module):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows[:, :3]


def own(to: Path, module: Any) -> Any:
    model = nn(save_fold=to / "run")
    model.load_dataset(ROWS, KINDS)
    model.add(module)
    return model.train(epochs=1)


def ctc(to: Path, steps: int = 5, **settings: Any) -> Any:
    model = nn("dense", save_fold=to / "run")
    model.load_dataset(STEPS[:, :steps], STEP_KINDS)
    model.add("linear", size=(4, 4), flatten=False)
    return model.train(epochs=1, **settings)


def ctc_short(to: Path) -> Any:
    return ctc(to, 3, loss={"name": "ctc", "blank": 3})


def pairs(to: Path, **settings: Any) -> Any:
    model = nn("embedding", save_fold=to / "run")
    model.use(Source(load_pairs(ROWS, ROWS[::-1].copy(), KINDS > 0)))
    model.add("linear", size=(4, 8))
    return model.train(epochs=1, **settings)


def diffusion(to: Path, **settings: Any) -> Any:
    model = nn(save_fold=to / "run")
    model.load_dataset(PICTURES, np.zeros(len(PICTURES), int))
    model.add("diffusion_model", img_size=8, timestep=20, dim=8)
    return model.train(epochs=1, **settings)


def mixed(to: Path) -> nn:
    from wrong_calls.files import drawn

    model = nn(save_fold=to / "run")
    model.load_img_data(drawn(to), transform={"MixUp": 0.2})
    model.add("linear", size=4)
    return model


# A table: one call in each line.
# fmt: off
CALLS: list[Call] = [
    ("a loss that does not exist", lambda to: train(to, loss="crossentropi"), ("There is no loss 'crossentropi'", "Did you mean 'CrossEntropyLoss'?")),
    ("a loss that is a number", lambda to: train(to, loss=3), ("There is no loss 3", "Known names: BCELoss")),
    ("a loss without a name", lambda to: train(to, loss={"margin": 1}), ("The loss {'margin': 1} has no name", "Give it as {'name': ..., and its options}, or")),
    ("a loss module's class", lambda to: train(to, loss=torch.nn.CrossEntropyLoss), ("The loss CrossEntropyLoss is a class;", "an instance is expected:")),
    ("a loss's option that does not exist", lambda to: train(to, loss={"name": "mse", "smoothing": 0.1}), ("The loss 'MSELoss' has no option 'smoothing'", "Known names: reduction")),
    ("label smoothing of 2", lambda to: train(to, loss={"name": "crossentropy", "label_smoothing": 2.0}), ("The loss 'CrossEntropyLoss' cannot be", "label_smoothing must be between 0.0 and 1.0")),
    ("label smoothing of a text", lambda to: train(to, loss={"name": "crossentropy", "label_smoothing": "0.1"}), ("The loss 'CrossEntropyLoss':", "a number is expected")),
    ("no reduction", lambda to: train(to, loss={"name": "crossentropy", "reduction": "none"}), ("The loss 'CrossEntropyLoss' was given", "a training needs one number a batch: 'mean'")),
    ("weights of a wrong length", lambda to: train(to, loss={"name": "crossentropy", "weight": [1.0, 2.0]}), ("The loss 'CrossEntropyLoss' does not fit:", "3 numbers of at least 0 are expected, one a")),
    ("weights that are texts", lambda to: train(to, loss={"name": "crossentropy", "weight": ["a", "b", "c"]}), ("The loss 'CrossEntropyLoss' does not fit:", "3 numbers of at least 0 are expected, one a")),
    ("cross-entropy of a regression", lambda to: train(to, "reg", loss="CrossEntropyLoss"), ("The loss 'CrossEntropyLoss' does not fit", "Use one of: BCELoss, MSELoss, L1Loss")),
    ("cross-entropy of several labels", lambda to: train(to, "multilabel", loss="CrossEntropyLoss"), ("The loss 'CrossEntropyLoss' does not fit", "Use one of: BCELoss, BCEWithLogitsLoss")),
    ("NLL of plain outputs", lambda to: train(to, loss="NLLLoss"), ("The loss 'NLLLoss' does not fit: it wants", "End the network in logsoftmax or softmax, or")),
    ("BCE without sigmoid", lambda to: train(to, "multilabel", loss="BCELoss"), ("The loss 'BCELoss' does not fit: it wants", "End the network in sigmoid or softmax, or use")),
    ("BCE of numbers", lambda to: train(to, "reg", "sigmoid", loss="BCELoss"), ("The loss 'BCELoss' does not fit: a target is", "for other values use MSELoss")),
    ("BCE with a regression's logits", lambda to: train(to, "reg", loss="BCEWithLogitsLoss"), ("The loss 'BCEWithLogitsLoss' does not fit", "Use one of: BCELoss, MSELoss, L1Loss")),
    ("a GaussianNLL of means alone", lambda to: train(to, "reg", loss="GaussianNLLLoss"), ("The loss 'GaussianNLLLoss' does not fit: the", "(batch, 2) is expected for 1 targets, a mean")),
    ("a Poisson of negative counts", lambda to: train(to, "reg", loss="PoissonNLLLoss"), ("The loss 'PoissonNLLLoss' does not fit: a", "for other values use MSELoss")),
    ("KL of no distribution", lambda to: train(to, "reg", "softmax", loss="KLDivLoss"), ("The loss 'KLDivLoss' does not fit: the", "for other values use MSELoss")),
    ("a triplet of a regression", lambda to: train(to, "reg", loss="TripletMarginLoss"), ("The loss 'TripletMarginLoss' does not fit", "Use one of: BCELoss, MSELoss, L1Loss")),
    ("a negative margin", lambda to: train(to, loss={"name": "tripletmargin", "margin": -1.0}), ("The loss 'TripletMarginLoss' cannot take", "margin to be greater than 0, got -1.0 instead")),
    ("an unknown distance", lambda to: train(to, loss={"name": "TripletMarginWithDistance", "distance": "hamming"}), ("There is no distance 'hamming'", "Known names: cosine, euclidean, manhattan")),
    ("multimargin with p 3", lambda to: train(to, loss={"name": "MultiMarginLoss", "p": 3}), ("The loss 'MultiMarginLoss' cannot take {'p':", "{'p': 3}: only p == 1 and p == 2 supported")),
    ("Huber with delta 0", lambda to: train(to, "reg", loss={"name": "HuberLoss", "delta": 0}), ("The loss 'HuberLoss' cannot be computed on", "not support non-positive values for delta")),
    ("smooth L1 with a negative beta", lambda to: train(to, "reg", loss={"name": "SmoothL1Loss", "beta": -1.0}), ("The loss 'SmoothL1Loss' cannot be computed on", "does not support negative values for beta")),
    ("CTC of a class an example", lambda to: train(to, loss="CTCLoss"), ("The loss 'CTCLoss' does not fit", "Use one of: CrossEntropyLoss, NLLLoss")),
    ("CTC whose blank occurs", lambda to: ctc(to, loss="CTCLoss"), ("The loss 'CTCLoss' does not fit: class 0 is", "Give a class of its own for it: {'name':")),
    ("CTC with too few steps", ctc_short, ("The loss 'CTCLoss' does not fit: the network", "Let the network keep more steps, or give")),
    ("CTC with a blank that does not exist", lambda to: ctc(to, loss={"name": "CTCLoss", "blank": 9}), ("The loss 'CTCLoss' does not fit: blank=9 was", "A whole number from 0 to 3 is expected")),
    ("pairs with a triplet's loss", lambda to: pairs(to, loss="TripletMarginLoss"), ("The loss 'TripletMarginLoss' does not fit: it", "Use CosineEmbeddingLoss or HingeEmbeddingLoss")),
    ("pairs with a classifier's loss", lambda to: pairs(to, loss="crossentropy"), ("The loss 'crossentropy' does not fit", "Use one of: MarginRankingLoss")),
    ("outputs of another number than classes", lambda to: train(to, outputs=4), ("The network ends in (N, 4), but the data has", "Let the last layer give (N, 3)")),
    ("outputs of another number for margins", lambda to: train(to, outputs=4, loss="MultiMarginLoss"), ("The loss 'MultiMarginLoss' does not fit: the", "(batch, 3) is expected for 3 classes")),
    ("outputs of another number than targets", lambda to: train(to, "reg", outputs=2), ("The network ends in (N, 2), but the data has", "Let the last layer give (N, 1)")),
    ("outputs of another number than labels", lambda to: train(to, "multilabel", outputs=2), ("The network ends in (N, 2), but the data has", "Let the last layer give (N, 3)")),
    ("outputs of another number at each step", lambda to: train(to, "dense", outputs=2), ("The loss 'CrossEntropyLoss' does not fit: the", "(batch, 5, 3) is expected for 3 classes at")),
    ("a softmax for a regression", lambda to: train(to, "reg", "softmax"), ("The network ends in a softmax of one number", "which is always the same. Leave it out")),
    ("a loss of one's own that gives a vector", lambda to: train(to, loss=lambda o, t: o.sum(1)), ("The loss '<lambda>.<locals>.<lambda>' does", "A tensor of a single number is expected, such")),
    ("a loss of one's own that fails", lambda to: train(to, loss=lambda o, t: o @ o), ("The loss '<lambda>.<locals>.<lambda>' cannot", "shapes cannot be multiplied (2x3 and 2x3)")),
    ("a loss of one's own with a KeyError", lambda to: train(to, loss=lambda o, t: {}["x"]), ("The loss '<lambda>.<locals>.<lambda>' cannot", "3) and targets of shape (2): KeyError: 'x'")),
    ("a loss of one's own that gives a number", lambda to: train(to, loss=lambda o, t: 1.0), ("The loss '<lambda>.<locals>.<lambda>' does", "A tensor of a single number is expected, such")),
    ("a loss of one's own that gives NaN", lambda to: train(to, loss=lambda o, t: o.sum() * NAN), ("The loss '<lambda>.<locals>.<lambda>' does", "Look for inputs and targets that are too")),
    ("a loss of one's own that forgets the outputs", lambda to: train(to, loss=lambda o, t: torch.tensor(1.0)), ("The loss '<lambda>.<locals>.<lambda>' does", "Compute it with torch from the outputs")),
    ("a loss of one's own of three arguments", lambda to: train(to, loss=lambda o, t, x: o.sum()), ("The loss '<lambda>.<locals>.<lambda>' cannot", "missing 1 required positional argument: 'x'")),
    ("another loss for diffusion", lambda to: diffusion(to, loss="mse"), ("The loss 'mse' was given, but the network has", "Leave loss out")),
    ("a network without weights", lambda to: own(to, NoWeights), ("The network has no weights to learn", "Add a layer that has some, such as linear")),
    ("a metric that does not exist", lambda to: train(to, metrics=["acuracy"]), ("There is no metric 'acuracy'", "Did you mean 'auroc' or 'acc'?")),
    ("a metric that is a number", lambda to: train(to, metrics=[3]), ("There is no metric 3", "Known names: acc")),
    ("metrics that are a number", lambda to: train(to, metrics=3), ("metrics=3 was given;", "a list of names is expected, such as ['acc'")),
    ("a metric of a classifier for a regression", lambda to: train(to, "reg", metrics=["f1"]), ("The metric 'f1' does not fit regression", "Use one of: mae, mse, rmse, r2")),
    ("a metric of a regression for a classifier", lambda to: train(to, metrics=["r2"]), ("The metric 'r2' does not fit classification", "Use one of: acc, precision, recall, f1")),
    ("a metric's option that does not exist", lambda to: train(to, metrics=[{"name": "acc", "k": 2}]), ("The metric 'acc' has no option 'k'", "Known names: average, threshold, top_k")),
    ("an average that does not exist", lambda to: train(to, metrics=[{"name": "f1", "average": "mean"}]), ("The metric 'f1' was given average='mean';", "one of micro, macro, weighted is expected")),
    ("the best 0", lambda to: train(to, metrics=["top0"]), ("The metric 'acc' was given top_k=0;", "a whole number of at least 1 is expected")),
    ("the best 5 of 3 classes", lambda to: train(to, metrics=["top5"]), ("The metric 'top5' looks at the best 5", "Look at fewer")),
    ("a threshold of 2", lambda to: train(to, "multilabel", "sigmoid", metrics=[{"name": "acc", "threshold": 2}]), ("The metric 'acc' was given threshold=2;", "a number between 0 and 1 is expected")),
    ("a tensor for a loss", lambda to: train(to, loss=torch.zeros(3)), ("There is no loss tensor([0., 0., 0.])", "Known names: BCELoss")),
    ("a loss in a list", lambda to: train(to, loss=["mse"]), ("There is no loss ['mse']", "Known names: BCELoss")),
    ("a function for a metric", lambda to: train(to, metrics=[lambda o,t: 1]), ("goes by its name, and '<lambda>' cannot be one", "def my_metric(outputs, targets)")),
    ("a metric without a name", lambda to: train(to, metrics=[{"top_k": 1}]), ("The metric {'top_k': 1} has no name", "Give it as {'name': ..., and its options}, or")),
    ("mixing with a triplet's loss", lambda to: mixed(to).train(epochs=1, loss="TripletMarginLoss"), ("The loss 'TripletMarginLoss' does not fit:", "Use one of: CrossEntropyLoss, BCELoss")),
]
# fmt: on
