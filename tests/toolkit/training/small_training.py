"""Small trainings that the tests of the trainer share."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from toolkit.data.batching.batches import Batches
from toolkit.data.dataset import Dataset
from toolkit.training.loop.interruption import Interruption, TrainingInterrupted
from toolkit.training.loop.loop import Training, fit
from toolkit.training.settings import Settings


def small_network(outputs: int = 3, inputs: int = 4, dropout: float = 0.4, seed: int = 1) -> torch.nn.Module:
    """Two hidden layers with dropout and batch normalisation."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        OrderedDict(
            first=torch.nn.Linear(inputs, 8),
            relu=torch.nn.ReLU(),
            dropout=torch.nn.Dropout(dropout),
            second=torch.nn.Linear(8, 6),
            norm=torch.nn.BatchNorm1d(6),
            last=torch.nn.Linear(6, outputs),
        )
    )


def settings(task: str = "classification", **changes: Any) -> Settings:
    loss, metrics = ("CrossEntropyLoss", ("acc",)) if task == "classification" else ("MSELoss", ("mae", "r2"))
    usual = {
        "optimizer": "adam",
        "loss": loss,
        "metrics": metrics,
        "seed": 1,
        "epochs": 4,
        "lr": 0.02,
        "batch_size": 16,
    }
    return Settings(**{**usual, **changes})


def parts(data: Dataset, size: int = 16, count: int = 44, **options: Any) -> tuple[Batches, Batches]:
    """Training batches of the first `count` rows and validation batches of the others."""
    rows = np.arange(len(data))
    train = Batches(data, rows[:count], batch_size=size, shuffle=True, seed=1, **options)
    return train, Batches(data, rows[count:], batch_size=size)


def train(network: torch.nn.Module, data: Dataset, asked: Settings, **arguments: Any) -> Training:
    """To the end."""
    torch.manual_seed(asked.seed)
    *_, last = fit(network, *parts(data, asked.batch_size), asked, **arguments)
    return last


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> bool:
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def numbers(history: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Without what is measured by the clock."""
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in history]


def through_a_file(state: Any) -> Any:
    """As a checkpoint keeps it."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def interrupted_at(network: torch.nn.Module, data: Dataset, asked: Settings, batch: int, **arguments: Any) -> Any:
    """The state of a training that is stopped after so many batches, counted over all epochs."""
    interruption = Interruption()
    states: list[Any] = []
    done = 0

    def stop(event: str, _training: Training) -> None:
        nonlocal done
        done += event == "batch_end"
        interruption.requested = done >= batch

    torch.manual_seed(asked.seed)
    try:
        for training in fit(
            network,
            *parts(data, asked.batch_size),
            asked,
            callbacks=[stop],
            interruption=interruption,
            save=lambda training: states.append(through_a_file(training.state())),
            **arguments,
        ):
            states.append(through_a_file(training.state()))
    except TrainingInterrupted as error:
        assert (states[-1]["epoch"], states[-1]["batch"]) == (error.epoch, error.batch)
        return states[-1]
    raise AssertionError(f"the training ended before batch {batch}")
