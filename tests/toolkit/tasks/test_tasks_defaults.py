"""What a task says where nothing is asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from toolkit import nn
from toolkit.tasks.registry import find_task, task_names
from toolkit.training.losses import LOSSES

ROWS = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)


def test_triplets_are_learnt_by_a_margin_and_pairs_by_their_cosine() -> None:
    model = nn("embedding")
    model.load_triplets(ROWS, ROWS + 0.01, -ROWS)
    model.add("linear", size=(4, 2))
    assert model.plan().loss == "TripletMarginLoss"
    model.load_pairs(ROWS, ROWS + 0.01, np.arange(12) % 2)
    assert model.plan().loss == "CosineEmbeddingLoss"


@pytest.mark.parametrize("axes", [2, 3, 4])
def test_the_class_axis_is_the_last_of_a_sequence_else_the_second(axes: int) -> None:
    assert {name: find_task(name).class_axis(axes) for name in task_names()} == {
        name: 2 if name == "dense" and axes == 3 else 1 for name in task_names()
    }


def test_balanced_weights_make_rare_classes_count_as_much() -> None:
    targets = torch.tensor([0, 0, 0, 1, -100])
    for name in ("classification", "dense"):
        weights = find_task(name).balanced_weights(targets, 2)
        torch.testing.assert_close(weights, torch.tensor([4 / 6, 4 / 2]))
    labels = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    torch.testing.assert_close(find_task("multilabel").balanced_weights(labels, 2), torch.tensor([1 / 3, 3.0]))
    assert {name for name in task_names() if find_task(name).classes is None} == {"regression", "embedding"}


def test_answers_are_probabilities_of_labels_and_numbers_rather_than_logarithms() -> None:
    logits, values = torch.tensor([[-1.0, 2.0]]), find_task("regression")
    several = find_task("multilabel")
    assert torch.equal(several.answer(logits, "B", LOSSES["BCEWithLogitsLoss"], {}), logits.sigmoid())
    assert torch.equal(several.answer(logits, "M", LOSSES["MSELoss"], {}), torch.tensor([[0.0, 1.0]]))
    poisson, gaussian = LOSSES["PoissonNLLLoss"], LOSSES["GaussianNLLLoss"]
    assert torch.equal(values.answer(logits, "PoissonNLLLoss", poisson, {}), logits.exp())
    assert torch.equal(values.answer(logits, "PoissonNLLLoss", poisson, {"log_input": False}), logits)
    assert torch.equal(values.answer(logits, "GaussianNLLLoss", gaussian, {}), logits[:, :1])
    assert find_task("dense").answer(logits, "CTCLoss", LOSSES["CTCLoss"], {}) is None
