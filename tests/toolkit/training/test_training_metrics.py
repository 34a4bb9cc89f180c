"""Metrics, against their formulas in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import SpecError
from toolkit.training.metrics import METRICS, Outputs, check_metrics, default_metrics, measure


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


def test_r_squared_is_left_out_where_it_is_not_defined() -> None:
    assert measure(("mae", "r2"), torch.ones(1, 1), torch.zeros(1, 1), "regression") == {"mae": 1.0}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), rows=st.integers(1, 40), classes=st.integers(2, 5))
def test_the_accuracy_is_the_share_of_the_right_ones(seed: int, rows: int, classes: int) -> None:
    random = np.random.default_rng(seed)
    outputs = torch.from_numpy(random.normal(size=(rows, classes)).astype(np.float32))
    targets = torch.from_numpy(random.integers(0, classes, rows))
    expected = float((outputs.argmax(1) == targets).double().mean())
    for given_outputs in (outputs, outputs.softmax(1), outputs.argmax(1)):
        assert measure(("acc",), given_outputs, targets, "classification")["acc"] == pytest.approx(expected)


def test_the_errors_of_a_classifier_are_those_of_its_probabilities() -> None:
    logits, targets = torch.tensor([[0.0, 0.0], [10.0, -10.0]]), torch.tensor([1, 0])
    for outputs in (logits, logits.softmax(1), logits.log_softmax(1)):
        found = measure(("mae", "mse"), outputs, targets, "classification")
        assert found["mae"] == pytest.approx(0.25, abs=1e-6)
        assert found["mse"] == pytest.approx(0.125, abs=1e-6)


def test_only_the_best_class_is_kept_where_that_is_enough() -> None:
    for metrics, expected in ((("acc",), (2,)), (("acc", "mae"), (2, 3)), (("mae",), (2, 3))):
        outputs = Outputs(metrics)
        outputs.add(torch.rand(2, 3), torch.tensor([0, 1]))
        assert outputs.gather()[0].shape == expected


@pytest.mark.parametrize(
    ("names", "task", "found"),
    [
        (["ACC", "accuracy", "mae"], "classification", ("acc", "mae")),
        (["R2", "RMSE"], "regression", ("r2", "rmse")),
        ([], "regression", ()),
    ],
)
def test_names_are_found_without_case_and_once(names: list[str], task: Any, found: tuple[str, ...]) -> None:
    assert check_metrics(names, task) == found
    assert check_metrics(default_metrics(task), task) == default_metrics(task)


@pytest.mark.parametrize(
    ("name", "task", "words"),
    [
        ("rsme", "regression", "There is no metric 'rsme'. Did you mean 'rmse'"),
        (5, "regression", "There is no metric 5."),
        ("r2", "classification", "The metric 'r2' does not fit classification. Use one of: acc, mae, mse."),
        ("acc", "regression", "The metric 'acc' does not fit regression. Use one of: mae, mse, rmse, r2."),
    ],
)
def test_a_wrong_name_is_refused(name: Any, task: Any, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_metrics([name], task)
    assert words in str(caught.value)


def test_every_metric_is_measured_for_every_task_it_fits() -> None:
    for name, tasks in METRICS.items():
        for task in tasks:
            targets = torch.tensor([0, 1, 1]) if task == "classification" else torch.tensor([[0.0], [1.0], [2.0]])
            outputs = torch.rand(3, 2 if task == "classification" else 1)
            assert list(measure((name,), outputs, targets, task)) == [name]
