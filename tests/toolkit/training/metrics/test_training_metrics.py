"""Metrics, against their formulas in NumPy and against torchmetrics called by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics.functional.classification as by_hand
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import SpecError
from toolkit.tasks.registry import tasks_for_metric
from toolkit.training.metrics import (
    METRICS,
    Outputs,
    check_metrics,
    default_metrics,
    higher_is_better,
    measure,
    metric_key,
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), rows=st.integers(2, 40), targets=st.integers(1, 3))
def test_the_errors_of_a_regression_are_those_of_the_formulas(seed: int, rows: int, targets: int) -> None:
    random = np.random.default_rng(seed)
    y, p = random.normal(size=(2, rows, targets)).astype(np.float32)
    found = measure(("mae", "mse", "rmse", "r2"), torch.from_numpy(p), torch.from_numpy(y), "regression")
    residual = ((y - p).astype(float) ** 2).sum(0)
    total = ((y - y.mean(0)).astype(float) ** 2).sum(0)
    assert list(found) == ["mae", "mse", "rmse", "r2"]
    assert found["mae"] == pytest.approx(np.abs(y - p).mean(), rel=1e-4)
    assert found["mse"] == pytest.approx(((y - p) ** 2).mean(), rel=1e-4)
    assert found["rmse"] == pytest.approx(np.sqrt(((y - p) ** 2).mean()), rel=1e-4)
    assert found["r2"] == pytest.approx((1 - residual / total).mean(), rel=1e-2, abs=1e-3)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), rows=st.integers(1, 40), classes=st.integers(2, 5))
def test_the_accuracy_is_the_share_of_the_right_ones(seed: int, rows: int, classes: int) -> None:
    random = np.random.default_rng(seed)
    outputs = torch.from_numpy(random.normal(size=(rows, classes)).astype(np.float32))
    targets = torch.from_numpy(random.integers(0, classes, rows))
    expected = float((outputs.argmax(1) == targets).double().mean())
    for given_outputs in (outputs, outputs.softmax(1), outputs.argmax(1)):
        assert measure(("acc",), given_outputs, targets, "classification")["acc"] == pytest.approx(expected)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), rows=st.integers(1, 30), classes=st.integers(2, 5), best=st.integers(1, 6))
def test_the_top_k_accuracy_looks_at_the_k_best(seed: int, rows: int, classes: int, best: int) -> None:
    random = np.random.default_rng(seed)
    outputs = torch.from_numpy(random.normal(size=(rows, classes)).astype(np.float32))
    targets = torch.from_numpy(random.integers(0, classes, rows))
    nearest = outputs.topk(min(best, classes)).indices
    expected = float((nearest == targets[:, None]).any(1).double().mean())
    (metric,) = check_metrics([{"name": "acc", "top_k": best}], "classification")
    assert measure((metric,), outputs, targets, "classification") == {metric: pytest.approx(expected)}


def test_the_errors_of_a_classifier_are_those_of_its_probabilities() -> None:
    logits, targets = torch.tensor([[0.0, 0.0], [10.0, -10.0]]), torch.tensor([1, 0])
    for outputs in (logits, logits.softmax(1), logits.log_softmax(1)):
        found = measure(("mae", "mse"), outputs, targets, "classification")
        assert found["mae"] == pytest.approx(0.25, abs=1e-6)
        assert found["mse"] == pytest.approx(0.125, abs=1e-6)


def classification() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(40) % 3
    return torch.randn(40, 3, generator=generator) + 1.5 * torch.nn.functional.one_hot(targets, 3), targets


def test_metrics_of_classes_are_those_of_torchmetrics() -> None:
    outputs, targets = classification()
    probabilities = outputs.softmax(1)
    for average in ("macro", "micro", "weighted"):
        names = check_metrics(
            [{"name": name, "average": average} for name in ("precision", "recall", "f1")], "classification"
        )
        expected = [
            float(function(outputs, targets, 3, average=average))
            for function in (by_hand.multiclass_precision, by_hand.multiclass_recall, by_hand.multiclass_f1_score)
        ]
        found = measure(names, outputs, targets, "classification")
        assert list(found.values()) == pytest.approx(expected)
        assert list(found) == [
            name if average == "macro" else f"{name}_{average}" for name in ("precision", "recall", "f1")
        ]
    for name, function in (
        ("auroc", by_hand.multiclass_auroc),
        ("average_precision", by_hand.multiclass_average_precision),
    ):
        for average in ("macro", "weighted"):
            metric = check_metrics([{"name": name, "average": average}], "classification")
            expected = float(function(probabilities, targets, 3, average=average))
            for given_outputs in (outputs, probabilities):
                assert list(measure(metric, given_outputs, targets, "classification").values()) == [
                    pytest.approx(expected)
                ]
    expected = float(torch.nn.functional.cross_entropy(outputs, targets).exp())
    for given_outputs in (outputs, probabilities, outputs.log_softmax(1)):
        assert measure(("perplexity",), given_outputs, targets, "classification")["perplexity"] == pytest.approx(
            expected
        )


def test_metrics_of_labels_are_those_of_torchmetrics() -> None:
    generator = torch.Generator().manual_seed(1)
    targets = (torch.rand(30, 4, generator=generator) > 0.6).float()
    outputs = (torch.randn(30, 4, generator=generator) + targets).sigmoid()
    whole = targets.long()
    settings_of = ["acc", "precision", "recall", "f1", "auroc", "average_precision", {"name": "f1", "threshold": 0.3}]
    found = measure(check_metrics(settings_of, "multilabel"), outputs, targets, "multilabel")
    assert found == {
        "acc": pytest.approx(float(by_hand.multilabel_accuracy(outputs, whole, 4, average="micro"))),
        "precision": pytest.approx(float(by_hand.multilabel_precision(outputs, whole, 4))),
        "recall": pytest.approx(float(by_hand.multilabel_recall(outputs, whole, 4))),
        "f1": pytest.approx(float(by_hand.multilabel_f1_score(outputs, whole, 4))),
        "auroc": pytest.approx(float(by_hand.multilabel_auroc(outputs, whole, 4))),
        "average_precision": pytest.approx(float(by_hand.multilabel_average_precision(outputs, whole, 4))),
        "f1_threshold_0.3": pytest.approx(float(by_hand.multilabel_f1_score(outputs, whole, 4, threshold=0.3))),
    }
    assert found["acc"] == pytest.approx(float(((outputs > 0.5) == whole.bool()).float().mean()))


def test_metrics_of_one_label_alone_are_those_of_a_yes_or_no() -> None:
    generator = torch.Generator().manual_seed(1)
    targets = (torch.rand(30, 1, generator=generator) > 0.6).float()
    outputs = (torch.randn(30, 1, generator=generator) + targets).sigmoid()
    names = ["acc", "precision", "recall", "f1", "auroc"]
    found = measure(check_metrics(names, "multilabel"), outputs, targets, "multilabel")
    functions = ("accuracy", "precision", "recall", "f1_score", "auroc")
    for name, function in zip(names, functions, strict=True):
        expected = getattr(by_hand, f"binary_{function}")(outputs[:, 0], targets[:, 0].long())
        assert found[name] == pytest.approx(float(expected)), name


@pytest.mark.parametrize("shape", [(6, 7), (4, 5, 3)])
def test_metrics_of_positions_leave_out_those_without_a_class(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(2)
    targets = torch.randint(0, 4, shape, generator=generator)
    targets[0, 2:] = -100
    scores = torch.randn(*shape, 4, generator=generator)
    outputs = scores if len(shape) == 2 else scores.movedim(-1, 1)
    known = targets != -100
    flat, true = scores[known], targets[known]
    names = check_metrics(["acc", "top2", "precision", "iou", "perplexity", "auroc"], "dense")
    found = measure(names, outputs, targets, "dense")
    best = flat.argmax(1)
    overlaps = [float(((best == c) & (true == c)).sum() / ((best == c) | (true == c)).sum()) for c in range(4)]
    assert found == {
        "acc": pytest.approx(float((best == true).float().mean())),
        "top2": pytest.approx(float((flat.topk(2).indices == true[:, None]).any(1).float().mean())),
        "precision": pytest.approx(float(by_hand.multiclass_precision(flat, true, 4))),
        "iou": pytest.approx(np.mean(overlaps)),
        "perplexity": pytest.approx(float(torch.nn.functional.cross_entropy(flat, true).exp()), rel=1e-5),
        "auroc": pytest.approx(float(by_hand.multiclass_auroc(flat.softmax(1), true, 4))),
    }
    collected = Outputs(("acc", "iou", "precision"), "dense")
    collected.add(outputs[:2], targets[:2])
    collected.add(outputs[2:], targets[2:])
    kept, same = collected.gather()
    assert kept.shape == same.shape == targets.shape
    again = measure(("acc", "iou", "precision"), kept, same, "dense")
    assert again == {name: pytest.approx(found[name]) for name in again}
    assert len(again) == 3


def test_neighbours_of_vectors_are_of_their_class() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 1.0], [1.0, 0.05], [-1.0, 0.0]])
    targets = torch.tensor([0, 0, 1, 1, 1, 2])  # the fifth lies among the others' class; the last has no other
    (metric,) = check_metrics(["recall_at"], "embedding")
    similarity = vectors / vectors.norm(dim=1, keepdim=True)
    similarity = similarity @ similarity.T - 2 * torch.eye(6)
    expected = float((targets[similarity.argmax(1)] == targets)[:5].float().mean())
    for task in ("embedding", "classification"):
        assert measure((metric,), vectors, targets, task)["recall_at"] == pytest.approx(expected)  # type: ignore[arg-type]
    wider = check_metrics([{"name": "recall_at", "k": 5}], "embedding")
    assert measure(wider, vectors, targets, "embedding") == {"recall_at_k_5": 1.0}
    triplets = torch.stack([vectors, 2 * vectors, vectors.flip(1)], 1)
    assert measure((metric,), triplets, torch.zeros(6), "embedding") == {"recall_at": 1.0}
    assert measure((metric,), triplets[:, :2], torch.ones(6), "embedding") == {}
    assert measure(("acc",), vectors, targets, "embedding") == {}


def test_a_metric_is_left_out_where_it_is_not_defined_without_a_warning() -> None:
    one, zero = torch.ones(1, 1), torch.zeros(1, 1)
    assert measure(("mae", "r2"), one, zero, "regression") == {"mae": 1.0}
    assert measure(("r2",), torch.rand(5, 1), torch.ones(5, 1), "regression") == {}
    outputs, targets = torch.rand(6, 2), torch.zeros(6, dtype=torch.int64)
    assert list(measure(("acc", "auroc", "average_precision"), outputs, targets, "classification")) == ["acc"]
    assert measure(("auroc",), outputs, torch.ones(6, 2), "multilabel") == {}
    ignored = torch.full((2, 3), -100)
    names = ("acc", "top2", "f1", "auroc", "iou", "perplexity")
    assert measure(names, torch.rand(2, 3, 4), ignored, "dense") == {}
    assert measure(names, torch.rand(2, 5, 4), ignored, "dense") == {}  # outputs that are not aligned with the targets
    assert measure(("acc",), torch.empty(0), torch.empty(0), "classification") == {}


def test_classes_without_examples_do_not_count_in_a_ranking() -> None:
    outputs, targets = classification()
    wider = torch.cat([outputs, outputs.new_full((40, 1), -20.0)], 1)
    found, expected = (measure(("auroc", "average_precision"), o, targets, "classification") for o in (wider, outputs))
    assert found == {name: pytest.approx(value, abs=1e-6) for name, value in expected.items()}


def test_only_the_best_class_is_kept_where_that_is_enough() -> None:
    for metrics, expected in (
        (("acc",), (2,)),
        (("acc", "f1", {"name": "recall", "average": "micro"}), (2,)),
        (("acc", "mae"), (2, 3)),
        (("top2",), (2, 3)),
        (("mae",), (2, 3)),
    ):
        outputs = Outputs(metrics)
        outputs.add(torch.rand(2, 3), torch.tensor([0, 1]))
        assert outputs.gather()[0].shape == expected
    labels = Outputs(("acc",), "multilabel")
    labels.add(torch.rand(2, 3), torch.ones(2, 3))
    assert labels.gather()[0].shape == (2, 3)


def test_shares_of_mixed_examples_count_as_the_largest() -> None:
    outputs, targets = classification()
    shares = 0.6 * torch.nn.functional.one_hot(targets, 3) + 0.4 * torch.nn.functional.one_hot(targets.roll(1), 3)
    names = check_metrics(["acc", "f1", "top2", "auroc", "perplexity"], "classification")
    whole, mixed = Outputs(names), Outputs(names)
    whole.add(outputs, targets)
    mixed.add(outputs, shares)
    assert measure(names, *mixed.gather(), "classification") == measure(names, *whole.gather(), "classification")
    fast = Outputs(("acc",))
    fast.add(outputs, shares)
    assert torch.equal(fast.gather()[1], targets)


@pytest.mark.parametrize("metrics", [("acc",), ("acc", "mae")])
def test_collecting_goes_on_where_it_was_stopped(metrics: tuple[str, ...]) -> None:
    outputs, targets = classification()
    whole, first = Outputs(metrics), Outputs(metrics)
    for part in range(0, 40, 10):
        whole.add(outputs[part : part + 10], targets[part : part + 10])
        if part < 20:
            first.add(outputs[part : part + 10], targets[part : part + 10])
    second = Outputs(metrics)
    second.restore(first.state())
    for part in range(20, 40, 10):
        second.add(outputs[part : part + 10], targets[part : part + 10])
    third = Outputs(metrics)
    third.restore(second.state())
    for one, other in zip(third.gather(), whole.gather(), strict=True):
        assert torch.equal(one, other) and one.dtype == other.dtype
    empty = Outputs(metrics)
    empty.restore(Outputs(metrics).state())
    assert len(empty.gather()[0]) == 0


@pytest.mark.parametrize(
    ("names", "task", "found"),
    [
        (["ACC", "accuracy", "mae"], "classification", ("acc", "mae")),
        (["R2", "RMSE"], "regression", ("r2", "rmse")),
        (
            ["Top5", "top_5", {"name": "acc", "top_k": 5}, {"name": "acc", "top_k": 1}],
            "classification",
            ("top5", "acc"),
        ),
        (["mIoU", {"name": "f1", "average": "macro"}], "dense", ("iou", "f1")),
        ([{"name": "F1", "average": "micro"}], "multilabel", ({"name": "f1", "average": "micro"},)),
        ([], "regression", ()),
    ],
)
def test_names_are_found_without_case_and_once(names: list[Any], task: Any, found: tuple[Any, ...]) -> None:
    assert check_metrics(names, task) == found
    assert check_metrics(json.loads(json.dumps(found)), task) == found
    assert check_metrics(default_metrics(task), task) == default_metrics(task)


@pytest.mark.parametrize(
    ("name", "task", "words"),
    [
        ("rsme", "regression", "There is no metric 'rsme'. Did you mean 'rmse'"),
        (5, "regression", "There is no metric 5."),
        ("r2", "classification", "The metric 'r2' does not fit classification. Use one of: acc, precision, recall, f1"),
        ("acc", "regression", "The metric 'acc' does not fit regression. Use one of: mae, mse, rmse, r2."),
        ("top0", "classification", "was given top_k=0; a whole number of at least 1"),
        ({"name": "acc", "topk": 3}, "classification", "has no option 'topk'. Did you mean 'top_k'?"),
        ({"name": "f1", "average": "mean"}, "dense", "average='mean'; one of micro, macro, weighted is expected"),
        ({"name": "auroc", "average": "micro"}, "dense", "one of macro, weighted is expected"),
        ({"name": "f1", "threshold": 2}, "multilabel", "threshold=2; a number between 0 and 1"),
        ({"top_k": 2}, "classification", "has no name"),
    ],
)
def test_a_wrong_name_is_refused(name: Any, task: Any, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_metrics([name], task)
    assert words in str(caught.value)


def test_the_direction_of_a_value_is_known_by_its_name() -> None:
    higher = (
        "acc",
        "val_acc",
        "top5",
        "val_top3",
        "f1_micro",
        "test_iou",
        "average_precision",
        "recall_at_k_5",
        "val_r2",
    )
    lower = ("loss", "val_loss", "mae", "val_rmse", "perplexity", "something")
    assert [higher_is_better(name) for name in (*higher, *lower)] == [True] * len(higher) + [False] * len(lower)
    assert metric_key({"name": "f1", "average": "micro"}) == "f1_micro"


def test_every_metric_is_measured_for_every_task_it_fits() -> None:
    for name, entry in METRICS.items():
        assert entry.doc.endswith(".")
        for task in tasks_for_metric(name):
            examples = {
                "classification": (torch.rand(4, 2), torch.tensor([0, 1, 1, 0])),
                "regression": (torch.rand(3, 1), torch.tensor([[0.0], [1.0], [2.0]])),
                "multilabel": (torch.rand(4, 2), torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])),
                "dense": (torch.rand(2, 3, 2), torch.tensor([[0, 1, -100], [1, 1, 0]])),
                "embedding": (torch.rand(4, 2), torch.tensor([0, 1, 1, 0])),
            }
            (metric,) = check_metrics(json.loads(json.dumps([name])), task)
            assert list(measure((metric,), *examples[task], task)) == [name]
