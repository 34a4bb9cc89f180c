"""Whatever was done to a network, and in whatever order: what is saved is what the object says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from toolkit import nn
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.loop.evaluation import evaluate

ROWS = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
KINDS = (ROWS[:, 0] > 0).astype(np.int64)


class Bench:
    """A small network in a folder, and what can be done to it."""

    def __init__(self, folder: Path, weights: Path) -> None:
        self.folder, self.weights, self.trained = folder, weights, False
        self.model = nn("cls", folder)
        self.model.set_seed(1)
        self.model.load_dataset(ROWS, KINDS, train_val_ratio=0.75, batch_size=8)
        self.model.add("linear", size=6, activation="relu")
        self.model.add("linear", size=2)

    def load_weights(self) -> None:
        self.model.load_weights(self.weights)

    def add(self) -> None:
        self.model.add("linear", size=2)
        self.trained = False

    def train(self) -> None:
        self.model.train(epochs=1, lr=0.05, verbose=False)
        self.trained = True

    def resume(self) -> None:
        if self.trained:
            epochs = int(Checkpoint.load(self.folder / "last.pth").training["epoch"]) + 1
            self.model.train(epochs=epochs, lr=0.05, verbose=False, resume=self.folder / "last.pth")

    def load(self) -> None:
        if self.trained:
            self.model.load(self.folder / "best.pth")

    def touch(self) -> None:
        with torch.no_grad():
            next(self.model.model.parameters()).add_(0.25)


STEPS = ("load_weights", "add", "train", "resume", "load", "touch")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the same first layer from another training."""
    folder = tmp_path_factory.mktemp("weights")
    other = nn("cls", folder)
    other.set_seed(9)
    other.load_dataset(ROWS, KINDS, train_val_ratio=1.0, batch_size=8)
    other.add("linear", size=6, activation="relu")
    other.add("linear", size=2)
    other.train(epochs=1, lr=0.05, verbose=False)
    return folder / "last.pth"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=4))
@example(steps=["train", "touch"])
@example(steps=["train", "load_weights"])
@example(steps=["train", "load", "load_weights", "resume"])
def test_what_is_on_disk_is_what_the_object_says(
    steps: list[str], weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bench")
    bench = Bench(folder / "run", weights)
    for step in steps:
        getattr(bench, step)()
    model = bench.model
    saved = folder / "saved.pth"
    model.save(saved)
    found = Checkpoint.load(saved)
    assert found.spec == model.spec
    for name, tensor in model.model.state_dict().items():
        assert torch.equal(found.state_dict[name], tensor)
    if model.card is not None:
        assert found.card == model.card
    again = nn("cls", folder / "again")
    again.load(saved)
    np.testing.assert_array_equal(again.inference(ROWS), model.inference(ROWS))
    # a training in the file is that of these weights, and what was measured was measured on them
    if found.training.get("network") is not None:
        for name, tensor in found.training["network"].items():
            assert torch.equal(found.state_dict[name], tensor)
    measured = found.card.training.get("measured") or {}
    if measured:
        validation = model.batches[1]
        assert validation is not None
        real = evaluate(found.network(), validation, "CrossEntropyLoss", ("acc",))
        assert measured["val_loss"] == pytest.approx(real["loss"], rel=1e-5)
        assert measured["val_acc"] == pytest.approx(real["acc"])
