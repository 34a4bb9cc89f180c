"""What TensorBoard reads back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_training import parts, settings, small_network, train

from runtime.errors import MissingPackageError
from toolkit import nn
from toolkit.data.batching.batches import Batches
from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import load_arrays
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.loop.loop import fit
from toolkit.training.runs.tensorboard import TensorBoard

pytest.importorskip("tensorboard")
pytestmark = pytest.mark.slow  # tensorboard takes seconds to import


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"histograms": 0, "images": 0})
    events.Reload()
    return events


def test_a_run_writes_curves_weights_the_graph_and_points(assemble: Callable[..., nn], tmp_path: Path) -> None:
    history = assemble(tmp_path).train(epochs=3, lr=0.05, verbose=False, filename=None, tensorboard=True)
    events = read(tmp_path / "tensorboard")
    tags = events.Tags()
    assert set(tags["scalars"]) == {"loss/train", "loss/validation", "acc/train", "acc/validation", "lr", "seconds"}
    for tag, name in (("loss/train", "loss"), ("acc/validation", "val_acc"), ("lr", "lr")):
        found = events.Scalars(tag)
        assert [event.step for event in found] == [1, 2, 3]
        assert [event.value for event in found] == pytest.approx([entry[name] for entry in history])
    weights = Checkpoint.load(tmp_path / "last.pth").state_dict
    assert set(tags["histograms"]) == set(weights)
    last = events.Histograms("linear1.weight")[-1].histogram_value
    assert last.num == weights["linear1.weight"].numel()
    assert last.sum == pytest.approx(float(weights["linear1.weight"].sum()), abs=1e-4)
    assert tags["graph"]
    points = tmp_path / "tensorboard" / "00003" / "features"
    assert len((points / "metadata.tsv").read_text().splitlines()) == 12
    assert set((points / "metadata.tsv").read_text().split()) <= {"low", "middle", "high"}
    assert np.loadtxt(points / "tensors.tsv").shape == (12, 8)  # what goes into the last layer


def test_pictures_are_shown(digits: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    data = load_arrays(digits[0][:60, None], digits[1][:60])
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 5), torch.nn.ReLU(), torch.nn.Linear(5, 10))
    train_part, validation = parts(data)
    board = TensorBoard(tmp_path, validation)
    list(fit(network, train_part, validation, settings(epochs=1), callbacks=[board]))
    board.close()
    events = read(tmp_path)
    assert events.Tags()["images"] == ["samples"]
    assert (tmp_path / "00001" / "features" / "sprite.png").is_file()


def test_watching_changes_nothing_in_what_is_learnt(clusters: Dataset, tmp_path: Path) -> None:
    plain = train(small_network(), clusters, settings(ema=0.9))
    board = TensorBoard(tmp_path, parts(clusters)[1])
    watched = train(small_network(), clusters, settings(ema=0.9), callbacks=[board])
    board.close()
    for one, other in zip(plain.network.parameters(), watched.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_network_that_cannot_be_traced_is_told_of_and_trained(clusters: Dataset, tmp_path: Path) -> None:
    class Odd(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(4, 3)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            if torch.jit.is_tracing():
                raise ValueError("not with me")
            return self.inner(inputs)

    board = TensorBoard(tmp_path, Batches(clusters))
    assert len(train(Odd(), clusters, settings(epochs=1), callbacks=[board]).history) == 1
    board.close()
    events = read(tmp_path)
    assert not events.Tags()["graph"]
    assert b"not with me" in events.Tensors("graph/text_summary")[0].tensor_proto.string_val[0]


def test_a_resumed_run_goes_on_where_the_checkpoint_was(assemble: Callable[..., nn], tmp_path: Path) -> None:
    asked = {"lr": 0.05, "verbose": False, "filename": None, "tensorboard": True}
    assemble(tmp_path).train(epochs=2, **asked)
    history = assemble(tmp_path).train(epochs=4, **asked, resume=tmp_path / "last.pth")
    found = read(tmp_path / "tensorboard").Scalars("loss/train")
    assert [event.step for event in found] == [1, 2, 3, 4]
    assert [event.value for event in found] == pytest.approx([entry["loss"] for entry in history])


def test_without_the_package_the_extra_is_named(
    clusters: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.training.runs.tensorboard.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"tensorboard=True needs the package 'tensorboard'"):
        TensorBoard(tmp_path, Batches(clusters))
