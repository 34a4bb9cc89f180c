"""A loss that does not fit is refused before the first batch, with the reason and the remedy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from small_losses_data import (
    classes,
    counts,
    data,
    labels,
    network,
    numbers,
    pairs,
    pixel_network,
    pixels,
    shares,
    steps,
    transcripts,
    triplets,
)  # fmt: skip
from torch import nn

from runtime.errors import SpecError
from toolkit.builder.network import Network
from toolkit.tasks.registry import tasks_for_loss
from toolkit.training.losses import LOSSES, find_loss, make_loss


def refusal(setting: Any, source: Any, module: torch.nn.Module, **arguments: Any) -> str:
    with pytest.raises(SpecError) as caught:
        make_loss(setting, source, module, **arguments)
    return str(caught.value)


@pytest.mark.parametrize("name", ["hubble", "", 5, None])
def test_an_unknown_loss_suggests(name: Any) -> None:
    with pytest.raises(SpecError, match=r"There is no loss .*(Did you mean|Known names)"):
        find_loss(name, "regression")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"name": "MSE", "reductoin": "sum"}, "has no option 'reductoin'. Did you mean 'reduction'?"),
        ({"name": "MSE", "reduction": "none"}, "a training needs one number a batch: 'mean' or 'sum'"),
        ({"name": "MSE", "size_average": True}, "has no option 'size_average'"),
        ({"name": "Huber", "delta": "big"}, "delta='big' was given; a number is expected"),
        ({"name": "Huber", "delta": -1}, "cannot"),
        ({"loss": "MSE"}, "has no name"),
        ({"name": "SmoothL1", "beta": torch.nn.Linear(1, 1)}, "a number, a text or a list of these is expected"),
        ("CrossEntropy", "does not fit regression: its targets are of another kind. Use one of: BCELoss, MSELoss"),
        ({"name": "PoissonNLL", "log_input": 1}, "True or False is expected"),
    ],
)
def test_a_wrong_option_is_told(setting: Any, words: str) -> None:
    assert words in refusal(setting, numbers(), network(1))


def test_every_loss_refuses_the_tasks_it_is_not_for_and_names_those_that_fit() -> None:
    sources = {
        "classification": classes,
        "multilabel": labels,
        "regression": numbers,
        "dense": steps,
        "embedding": pairs,
    }
    for name in LOSSES:
        for task, source in sources.items():
            if task not in tasks_for_loss(name):
                message = refusal(name, source(), network(3))
                assert f"does not fit {task}" in message
                fitting = message.split("Use one of: ")[1].rstrip(".").split(", ")
                assert fitting == [other for other in LOSSES if task in tasks_for_loss(other)]


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_refuses_an_output_of_another_width(name: str) -> None:
    """But those of vectors, which have any width."""
    if LOSSES[name].output == "vectors":
        return
    sources = {"classification": classes, "multilabel": labels, "regression": numbers, "dense": transcripts}
    for task in tasks_for_loss(name):
        if task in sources and not (name == "KLDivLoss" and task == "regression"):
            message = refusal(name, steps() if name in ("CrossEntropyLoss", "NLLLoss") and task == "dense"
                              else counts() if name == "PoissonNLLLoss"
                              else data("regression", np.full((5, 1), 0.5, np.float32), classes=1)
                              if task == "regression" else sources[task](), network(7))  # fmt: skip
            assert "7" in message and "is expected" in message


def test_outputs_of_another_shape_are_told_in_full() -> None:
    message = refusal("MSE", numbers(targets=2), network(1))
    assert "the network gives (batch, 1). (batch, 2) is expected for 2 targets" in message
    message = refusal("GaussianNLL", numbers(targets=2), network(2))
    assert "(batch, 4) is expected for 2 targets, a mean and a variance for each" in message
    message = refusal("CrossEntropy", pixels(), pixel_network(4))
    assert "the network gives (batch, 4, 4, 5). (batch, 3, 4, 5) is expected for 3 classes at each position" in message
    message = refusal("CrossEntropy", steps(), Network(nn.Flatten(), nn.Linear(20, 3)))
    assert "the network gives (batch, 3). (batch, 5, 3) is expected" in message
    assert "(batch, D) are expected" in refusal("TripletMargin", triplets(), Network(nn.Unflatten(1, (2, 2))))
    assert "(batch, 2, 1) is expected for one score" in refusal("MarginRanking", pairs(), network(3))
    assert "It ranks by one" in refusal("MarginRanking", numbers(targets=2), network(1))
    assert "cannot run on the data, whose inputs are of shape (batch, 4)" in refusal(
        "MSE", numbers(), network(1, inputs=9)
    )


def test_labels_out_of_range_are_told() -> None:
    many = np.arange(12, dtype=np.int64)
    assert "the label 11 occurs, and there are 3 classes" in refusal(
        "CrossEntropy", data("classification", many), network(3)
    )
    assert "the label -1 occurs" in refusal("MultiMargin", data("classification", many % 3 - 1), network(3))
    wrong = np.full((4, 5), 3)
    assert "the label 3 occurs" in refusal("NLL", data("dense", wrong, shape=(5, 4)), network(3, end=nn.LogSoftmax(2)))
    halves = np.full((4, 3), 0.5, np.float32)
    assert "a label is 0.5" in refusal("BCEWithLogits", data("multilabel", halves), network(3))
    below = data("regression", np.array([[1.0], [-2.0]], np.float32), classes=1)
    assert "a target is -2. Counts of at least 0" in refusal("PoissonNLL", below, network(1))
    assert "a target is -2. Numbers from 0 to 1" in refusal("BCE", below, network(1, end=nn.Sigmoid()))
    assert "are no distribution (they sum to" in refusal("KLDiv", numbers(targets=3), network(3, end=nn.Softmax(1)))
    signs = data("embedding", np.array([0.0, 1.0], np.float32), classes=0, views=2)
    assert "the target of a pair is 0" in refusal("CosineEmbedding", signs, network(3))
    kept = np.where(many.reshape(4, 3) == 5, 255, many.reshape(4, 3) % 3)
    assert make_loss({"name": "CrossEntropy", "ignore_index": 255}, data("dense", kept, shape=(3, 4)), network(3))


def test_transcripts_are_checked() -> None:
    source = transcripts()
    assert "blank=9 was given" in refusal({"name": "CTC", "blank": 9}, source, network(3))
    assert "class 1 is the blank, and it occurs in the targets" in refusal(
        {"name": "CTC", "blank": 1}, source, network(3)
    )
    assert make_loss({"name": "CTC", "blank": 3}, source, network(4))
    assert "(batch, steps, 4) is expected: 3 classes and the blank" in refusal(
        {"name": "CTC", "blank": 3}, source, network(3)
    )
    short = data("dense", np.array([[1, 1, 1], [2, -100, -100]]), shape=(4, 4))
    assert "the network gives 4 steps, and a transcript of up to 3 needs 5" in refusal("CTC", short, network(3))
    assert make_loss({"name": "CTC", "zero_infinity": True}, short, network(3))
    gap = data("dense", np.array([[1, -100, 1], [2, -100, -100]]), shape=(8, 4))
    assert "has a gap" in refusal("CTC", gap, network(3))


def test_pairs_and_triplets_are_told_apart() -> None:
    assert "it wants triplets, and the data holds pairs. Use CosineEmbeddingLoss" in refusal(
        "TripletMargin", pairs(), network(3)
    )
    assert "it wants pairs, and the data holds triplets. Use TripletMarginLoss" in refusal(
        "MarginRanking", triplets(), network(1)
    )
    setting = {"name": "TripletMarginWithDistance", "distance": "cosin"}
    assert "There is no distance 'cosin'. Did you mean 'cosine'?" in refusal(setting, triplets(), network(3))
    assert "has no option 'distance_function'" in refusal(
        {"name": "TripletMarginWithDistance", "distance_function": "cosine"}, triplets(), network(3)
    )


def test_what_torch_would_compute_wrongly_is_refused() -> None:
    message = refusal("NLL", classes(), network(3))
    assert "wants logarithms of probabilities" in message and "or use CrossEntropyLoss, which takes logits" in message
    assert "End the network in softmax or logsoftmax." in refusal("KLDiv", shares(), network(3))
    for source in (classes(), labels()):
        for end in (None, nn.ReLU(), nn.Tanh()):
            message = refusal("BCE", source, network(3, end=end))
            assert "wants probabilities from 0 to 1" in message and "or use BCEWithLogitsLoss" in message
    assert "End the network in sigmoid or softmax." in refusal("BCE", shares(), network(3))
    assert make_loss("BCE", labels(), network(3, end=nn.Hardsigmoid()))
    assert "log_target is for distributions" in refusal({"name": "KLDiv", "log_target": True}, classes(), network(3))
    assert "on two examples it is nan" in refusal(
        "MSE", data("regression", np.full((3, 1), np.nan, np.float32), classes=1), network(1)
    )


def test_weights_and_shares_of_classes_are_refused_where_they_do_not_fit() -> None:
    three, two = torch.ones(3), torch.ones(2)
    message = refusal("SoftMargin", labels(), network(3), class_weights=three)
    assert "takes no class weights" in message and "BCEWithLogitsLoss" in message
    assert "3 numbers of at least 0 are expected, one a class" in refusal(
        "CrossEntropy", classes(), network(3), class_weights=two
    )
    assert "weight=[1, -1, 1]" in refusal({"name": "CrossEntropy", "weight": [1, -1, 1]}, classes(), network(3))
    assert "weight=2" in refusal({"name": "CrossEntropy", "weight": 2}, classes(), network(3))
    both = {"name": "CrossEntropy", "weight": [1, 1, 1]}
    assert "class_weights and its option weight were both given" in refusal(
        both, classes(), network(3), class_weights=three
    )
    message = refusal("MultiMargin", classes(), network(3), soft_targets=True)
    assert "shares of several classes" in message and "CrossEntropyLoss" in message
    ignoring = {"name": "CrossEntropy", "ignore_index": 1}
    assert "cannot be computed on" in refusal(ignoring, classes(), network(3), soft_targets=True)
    assert "class_weights are for losses by name" in refusal(
        nn.CrossEntropyLoss(), classes(), network(3), class_weights=three
    )


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda outputs, targets: 3.0, "it gives a float. A tensor of a single number is expected"),
        (lambda outputs, targets: (outputs - targets) ** 2, "it gives shape (2, 1)"),
        (lambda outputs, targets: targets.sum(), "does not depend on the outputs"),
        (lambda outputs, targets: outputs.sum() / 0, "on two examples it is"),
        (lambda outputs, targets: outputs @ targets, "cannot be computed on outputs of shape (2, 1)"),
        (lambda outputs, targets: outputs.nothing, "cannot be computed"),
    ],
)
def test_a_function_that_is_no_loss_is_refused(function: Any, words: str) -> None:
    assert words in refusal(function, numbers(), network(1))


def test_a_network_that_gives_no_tensor_is_refused() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x, x

    assert "the network gives a tuple" in refusal("MSE", numbers(), Two())
    empty = data("regression", np.zeros((0, 1), np.float32), classes=1)
    assert "holds no examples" in refusal("MSE", empty, network(1))
