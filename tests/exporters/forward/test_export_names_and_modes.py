"""Names that torch takes for itself, and modules that are still being trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import runtime
from exporters import export
from runtime.errors import CheckFailed


class Words(torch.nn.Module):
    """A classifier of word numbers: inside its graph torch calls a value `embedding`."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(20, 6)
        self.head = torch.nn.Linear(6, 3)

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        return self.head(self.words(numbers).mean(1))


def test_an_output_may_have_the_name_of_an_operator_inside(tmp_path: Path) -> None:
    module, numbers = Words(), torch.randint(0, 20, (4, 5))
    export(module, tmp_path / "words.onnx", example=numbers, task="classification")
    found = runtime.load(tmp_path / "words.onnx").run({"input": numbers.numpy()})
    assert list(found) == ["probabilities", "embedding"]
    with torch.no_grad():
        expected = module.words(numbers).mean(1)
    assert abs(found["embedding"] - expected.numpy()).max() < 1e-6


def test_a_module_is_left_in_the_mode_it_came_in(tmp_path: Path) -> None:
    module = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2)
    )
    module.train()
    module[1].eval()
    export(module, tmp_path / "model.onnx", example=torch.randn(4, 4), simplifier="none")
    assert [part.training for part in module] == [True, False, True, True]
    assert module.training


def test_a_branch_on_values_is_refused_in_plain_words_and_quietly(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Branch(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2 if x.sum() > 0 else x - 1

    with pytest.raises(CheckFailed, match=r"depends on the values of its input.*torch\.where"):
        export(Branch(), tmp_path / "model.onnx", example=torch.randn(4, 4))
    output = capfd.readouterr()
    assert output.out == ""
    assert output.err == ""
