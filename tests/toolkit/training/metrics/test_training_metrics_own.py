"""Metrics of one's own: functions of the outputs and targets of an epoch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from runtime.errors import SpecError
from toolkit import nn
from toolkit.training.checkpoints.checkpoint import Checkpoint

Assemble = Callable[..., nn]
ASKED: dict[str, Any] = {"lr": 0.05, "verbose": False, "filename": None}


def surely_right(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    assert outputs.ndim == 2
    assert targets.ndim == 1
    return ((outputs.argmax(1) == targets) & (outputs.max(1).values > 0.5)).float().mean()


def test_a_function_is_measured_on_both_parts_of_every_epoch(assemble: Assemble, tmp_path: Path) -> None:
    model = assemble(tmp_path)
    history = model.train(epochs=3, **ASKED, metrics=["acc", surely_right])
    assert all({"acc", "surely_right", "val_acc", "val_surely_right"} <= set(entry) for entry in history)
    part = model.batches[1]
    assert part is not None
    with torch.no_grad():
        outputs = model.model.eval()(part.data.inputs.take(torch.from_numpy(part.indices)))
    assert outputs.sum(1).allclose(torch.ones(len(outputs)))
    assert history[-1]["val_surely_right"] == pytest.approx(float(surely_right(outputs, part.targets())))
    assert Checkpoint.load(tmp_path / "last.pth").training["settings"]["metrics"] == ["acc", "surely_right"]
    again = assemble(tmp_path).train(epochs=4, **ASKED, resume=tmp_path / "last.pth", metrics=["acc", surely_right])
    assert len(again) == 4


@pytest.mark.parametrize("higher", [True, False])
def test_the_best_epoch_follows_the_direction_that_the_function_says(
    assemble: Assemble, tmp_path: Path, higher: bool
) -> None:
    values = iter([0.3, 0.3, 0.9, 0.9, 0.1, 0.1, 0.5, 0.5])

    def given(outputs: torch.Tensor, targets: torch.Tensor) -> float:
        return next(values)

    with pytest.raises(SpecError, match=r"given does not say whether higher is better.*given\.higher_is_better = True"):
        assemble(tmp_path).train(epochs=4, **ASKED, metrics=[given], monitor="val_given")
    given.higher_is_better = higher  # type: ignore[attr-defined]
    assemble(tmp_path).train(epochs=4, **ASKED, metrics=[given], monitor="val_given")
    assert Checkpoint.load(tmp_path / "best.pth").training["epoch"] == (2 if higher else 3)


def test_what_cannot_be_a_metric_is_refused(assemble: Assemble, tmp_path: Path) -> None:
    def f1(outputs: torch.Tensor, targets: torch.Tensor) -> float:
        return 0.0

    def rows(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return outputs

    with pytest.raises(SpecError, match="'f1' is taken"):
        assemble(tmp_path).train(epochs=1, **ASKED, metrics=[f1])
    with pytest.raises(SpecError, match="'<lambda>' cannot be one"):
        assemble(tmp_path).train(epochs=1, **ASKED, metrics=[lambda outputs, targets: 0.0])
    with pytest.raises(SpecError, match="The metric rows gave Tensor"):
        assemble(tmp_path).train(epochs=1, **ASKED, metrics=[rows])
    with pytest.raises(SpecError, match=r"no metric 'never_given'.*given itself: metrics=\[function\]"):
        assemble(tmp_path).train(epochs=1, **ASKED, metrics=["never_given"])
