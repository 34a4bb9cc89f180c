"""What each of several processes does in the tests of `toolkit.training.loop.distributed`: torchrun ... several_processes.py FOLDER."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runtime.errors import SpecError
from toolkit.builder.spec import LayerSpec, NetworkSpec, build, check
from toolkit.data.batching.batches import Batches
from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import load_arrays
from toolkit.training.loop.distributed import Processes, setup
from toolkit.training.loop.interruption import Interruption, TrainingInterrupted
from toolkit.training.loop.loop import Training, fit
from toolkit.training.runs.run import Run
from toolkit.training.settings import Settings

# name -> (training examples, settings): whole global batches, a last one that is uneven, and one that is empty for a process
CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "even": (48, {"batch_size": 8}),
    "uneven": (43, {"batch_size": 8}),
    "empty": (33, {"batch_size": 16}),
    "grouped": (43, {"batch_size": 4, "accumulate": 3, "clip_norm": 0.5, "class_weights": "balanced", "ema": 0.8}),
    "adam": (43, {"batch_size": 8, "optimizer": "adam", "lr": 0.001, "schedule": "plateau", "early_stopping": 1}),
}


def clusters() -> Dataset:
    random = np.random.default_rng(0)
    labels = np.arange(60) % 3
    return load_arrays(random.normal(labels[:, None] * [1.5, -1.0, 0.5, 0.0], 0.8, (60, 4)), labels)


def network() -> torch.nn.Module:
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))


def batches(count: int, size: int) -> tuple[Batches, Batches]:
    data, rows = clusters(), np.arange(60)
    return Batches(data, rows[:count], batch_size=size, shuffle=True, seed=3), Batches(
        data, rows[count:], batch_size=size
    )


def asked(processes: int, **changes: Any) -> Settings:
    """The settings of one of so many processes; the batch of one process alone is as large as those of all."""
    usual = {
        "optimizer": "sgd",
        "loss": "CrossEntropyLoss",
        "metrics": ("acc", "mae"),
        "seed": 3,
        "epochs": 2,
        "lr": 0.1,
    }
    return Settings(**{**usual, **changes, "batch_size": changes["batch_size"] * 2 // processes})


def result(training: Training) -> dict[str, Any]:
    return {
        "weights": dict(training.network.state_dict()),
        "result": dict(training.result.state_dict()),
        "history": training.history,
    }


def learn(processes: Processes, name: str) -> dict[str, Any]:
    count, changes = CASES[name]
    settings = asked(processes.world, **changes)
    torch.manual_seed(3)
    *_, training = fit(network(), *batches(count, settings.batch_size), settings, processes=processes)
    return result(training)


def resumed_in_the_middle(processes: Processes) -> tuple[dict[str, Any], dict[str, Any]]:
    """(uninterrupted, stopped by the last process alone and resumed), with dropout in each process."""

    def module() -> torch.nn.Module:
        torch.manual_seed(1)
        return torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 3)
        )

    settings = asked(2, batch_size=6, accumulate=2, optimizer="adam", epochs=3)
    first = module()
    torch.manual_seed(3 + processes.rank)
    *_, whole = fit(first, *batches(44, 6), settings, processes=processes)
    interruption, states = Interruption(), []

    def stop(event: str, training: Training) -> None:
        wanted = (training.epoch, training.running.batch) == (1, 2)
        if event == "batch_end" and wanted and processes.rank == processes.world - 1:
            interruption.requested = True

    stopped = module()
    torch.manual_seed(3 + processes.rank)
    try:
        for _ in fit(
            stopped,
            *batches(44, 6),
            settings,
            processes=processes,
            callbacks=[stop],
            save=lambda training: states.append(training.state()),
            interruption=interruption,
        ):
            pass
    except TrainingInterrupted as error:
        assert (error.epoch, error.batch) == (1, 2)
    torch.manual_seed(99)
    *_, again = fit(module(), *batches(44, 6), settings, processes=processes, resume=states[-1])
    return result(whole), result(again)


def run(processes: Processes, folder: Path) -> list[str]:
    """A run with its folder; returns what it said."""
    lines: list[str] = []
    spec, _ = check(NetworkSpec((4,), (LayerSpec.parse("linear", {"size": 3}, "softmax", 1),)))
    torch.manual_seed(3)
    module = build(spec)
    settings = asked(2, batch_size=8, save_every=1)
    part = batches(44, 8)
    history = Run(spec, module, *part, part[1], settings, folder, report=lines.append, processes=processes).execute()
    assert len(history) == 2
    assert (folder / "best.pth").is_file()
    return lines


def refused(processes: Processes) -> str:
    """Another seed in each process."""
    try:
        next(fit(network(), *batches(44, 8), asked(2, batch_size=8, seed=processes.rank), processes=processes))
    except SpecError as error:
        return str(error)
    return ""


def main() -> None:
    folder = Path(sys.argv[1])
    processes = setup()
    found: dict[str, Any] = {name: learn(processes, name) for name in CASES}
    whole, again = resumed_in_the_middle(processes)
    found |= {"whole": whole, "again": again}
    found["lines"] = run(processes, folder / "run")
    found["refused"] = refused(processes)
    found["place"] = [processes.rank, processes.world, str(processes.device), os.environ["RANK"]]
    torch.save(found, folder / f"rank{processes.rank}.pth")


if __name__ == "__main__":
    main()
