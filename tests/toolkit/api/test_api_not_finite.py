"""A network that answers NaN: `inference` says so, and keeps what it answered to the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from runtime.errors import OutputError
from toolkit import nn


def nan_below_0(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
    return output * inputs[0][:, :1].sqrt() * 0 + output


@pytest.mark.parametrize(("task", "activation"), [("reg", None), ("cls", "softmax"), ("multilabel", "sigmoid")])
def test_rows_without_an_answer_are_told_and_the_others_kept(
    task: str, activation: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    rows = np.abs(np.random.default_rng(0).standard_normal((12, 2))).astype(np.float32)
    targets: Any = np.arange(12) % 2 if task == "cls" else (rows > 0.5).astype(np.float32)
    model = nn(task, str(tmp_path))
    model.load_dataset(rows, targets, batch_size=4)
    model.add("linear", size=(2, 2), **({} if activation is None else {"activation": activation}))
    model.model.register_forward_hook(nan_below_0)
    with pytest.raises(OutputError, match=r"is not finite in 1 of 3 rows: row 2 has NaN in 2 of the 2 numbers"):
        model.inference(np.array([[1, 1], [-9, 1], [2, 1]], np.float32))
    words = model.print_result()
    assert words[1]["预测值"] is None and words[1]["原因"] == "NaN in 2 of the 2 numbers"
    assert words[0]["预测值"] is not None and words[2]["预测值"] is not None
    capsys.readouterr()
