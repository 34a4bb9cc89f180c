"""Arithmetic on weights alone is computed before the file is written; inputs without axes are inputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from exporters import export
from runtime.session import Session

orthogonal = torch.nn.utils.parametrizations.orthogonal


class Product(torch.nn.Module):
    """(N, 6) -> (N, 6), by a function of the weight."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.weight, self.function = torch.nn.Parameter(torch.randn(6, 6)), function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.function(self.weight) + x.shape[0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Product(torch.linalg.inv),
        lambda: Product(lambda weight: torch.linalg.svd(weight).U),
        lambda: Product(lambda weight: torch.matrix_exp(weight - weight.T) @ torch.linalg.solve(weight, torch.eye(6))),
        lambda: orthogonal(torch.nn.Linear(6, 6)),
        lambda: orthogonal(torch.nn.Linear(6, 6), orthogonal_map="cayley"),
    ],
)
def test_arithmetic_on_weights_alone_is_computed(make: Callable[[], torch.nn.Module], tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = make()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    report = export(module, tmp_path / "a.onnx", example=torch.randn(3, 6))
    assert report.facts["trace"]["route"] == "torch.export"
    assert len(report.parity.batch_sizes) > 2
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert len(onnx.load(tmp_path / "a.onnx").graph.node) < 9


class Timed(torch.nn.Linear):
    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * time


@pytest.mark.parametrize("time", [torch.tensor(2.0), torch.tensor(3)])
def test_an_input_without_axes_beside_rows(time: torch.Tensor, tmp_path: Path) -> None:
    module = Timed(4, 3)
    x = torch.randn(3, 4)
    report = export(module, tmp_path / "a.onnx", example=(x, time))
    assert [card.shape for card in report.card.inputs] == [(4,), ()]
    found = Session(tmp_path / "a.onnx", "cpu").run({"x": x.numpy(), "time": (time * 5).numpy()}, ["output"])
    np.testing.assert_allclose(found["output"], module(x, time * 5).detach().numpy(), rtol=1e-5, atol=1e-5)
