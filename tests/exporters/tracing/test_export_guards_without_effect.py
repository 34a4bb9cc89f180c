"""Guards on a length without effect on the result are no branches; those with an effect are refused, at whatever length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from exporters import export
from runtime.errors import CheckFailed


class Guarded(torch.nn.Module):
    """(N, 4, L) -> (N, 3, L), by a function of the input before a linear layer."""

    def __init__(self, before: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.linear, self.before = torch.nn.Linear(4, 3), before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.before(x).transpose(1, 2)).transpose(1, 2)


X = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("before", "run"),
    [
        (lambda x: x.contiguous() if x.shape[0] >= 64 else x, "64"),
        (lambda x: x.clone() if x.shape[0] * 135 >= 26214 else x, "195"),
        (lambda x: x.contiguous() if x.shape[0] * x.shape[2] >= 600 else x, "120"),
        (lambda x: x.contiguous() if x.shape[0] >= 64 else x.clone() if x.shape[0] > 20 else x, "21"),
        (lambda x: x if x.shape[0] > 4 else torch.stack([x])[0], "5"),
    ],
)
def test_a_guard_without_effect_is_exported_and_run_on_both_sides(
    before: Callable[[torch.Tensor], torch.Tensor], run: str, tmp_path: Path
) -> None:
    report = export(Guarded(before), tmp_path / "a.onnx", example=X)
    assert report.facts["trace"]["route"] == "torch.export"
    assert int(run) in report.parity.batch_sizes


def test_a_guard_on_another_axis_without_effect(tmp_path: Path) -> None:
    module = Guarded(lambda x: x.contiguous() if x.shape[2] >= 64 else x)
    report = export(module, tmp_path / "a.onnx", example=X, dynamic=("batch", "length"))
    assert "length 64" in report.parity.shapes


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (lambda x: x * 2 if x.shape[0] >= 64 else x, "up to 63 only"),
        (lambda x: x * 2 if x.shape[0] >= 200 else x.contiguous() if x.shape[0] >= 64 else x, "up to 199 only"),
        (lambda x: x[:, :, :2] if x.shape[0] >= 64 else x, "up to 63 only"),
    ],
)
def test_a_guard_with_an_effect_is_refused(
    before: Callable[[torch.Tensor], torch.Tensor], words: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckFailed, match=f"depends on the batch size.*{words}"):
        export(Guarded(before), tmp_path / "a.onnx", example=X)
