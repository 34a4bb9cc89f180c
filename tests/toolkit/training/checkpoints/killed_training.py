"""Trainings in processes of their own, killed at random moments and resumed until they end; or never killed.

python killed_training.py KIND FOLDER KILLS SEED [FOLDER KILLS SEED ...], where KIND is "plain" or "augmented". Prints of each
how often it was killed. One process that has imported everything forks the ones that train, so that a start takes no seconds.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch

from toolkit.builder.spec import LayerSpec, NetworkSpec, build, check
from toolkit.data.augmentation.augment import Augmentation
from toolkit.data.batching.batches import Batches
from toolkit.data.readers.arrays import load_arrays
from toolkit.data.readers.digits import digit_pictures
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.runs.run import Run
from toolkit.training.settings import Settings


def training(folder: Path, kind: str) -> None:
    """From the beginning, or from last.pth."""
    pictures, labels = digit_pictures()
    data = load_arrays(pictures[:150, None], labels[:150])
    entries = (
        ("linear", {"size": 16}, "relu"),
        ("batchnorm1d", {}, None),
        ("dropout", {"p": 0.3}, None),
        ("linear", {"size": 10}, "softmax"),
    )
    layers = tuple(LayerSpec.parse(*entry, position) for position, entry in enumerate(entries, start=1))
    spec, _ = check(NetworkSpec(data.shape, layers))
    changes = {}
    if kind == "augmented":
        changes = {"augment": Augmentation.from_setting({"RandomAffine": {"degrees": 20}}), "workers": 2}
    train = Batches(data, np.arange(110), batch_size=8, shuffle=True, seed=5, **changes)
    validation = Batches(data, np.arange(110, 150), batch_size=64)
    asked = Settings(
        optimizer={"name": "sgd", "momentum": 0.9},
        loss="CrossEntropyLoss",
        metrics=("acc",),
        seed=5,
        epochs=3 if kind == "augmented" else 30,
        batch_size=8,
        schedule="onecycle",
        accumulate=2,
        ema=0.95,
        save_every=3,
    )
    last = folder / "last.pth"
    torch.manual_seed(5)
    Run(spec, build(spec), train, validation, None, asked, folder).execute(
        Checkpoint.load(last) if last.is_file() else None
    )


def in_a_fork(folder: Path, kind: str) -> int:
    process = os.fork()
    if process == 0:
        try:
            training(folder, kind)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return process


def wait_for_saves(path: Path, count: int) -> None:
    """Until the file was replaced so many times; at most half a minute."""
    seen, left, end = path.stat().st_ino if path.exists() else 0, count, time.monotonic() + 30
    while left and time.monotonic() < end:
        now = path.stat().st_ino if path.exists() else 0
        if now != seen:
            seen, left = now, left - 1
        time.sleep(0.001)


def train_and_kill(folder: Path, kills: int, seed: int, kind: str) -> None:
    """A training until it ends, killed so many times on its way."""
    moments, killed = random.Random(seed), 0
    while True:
        process = in_a_fork(folder, kind)
        if killed == kills:
            sys.exit(f"the training failed after {killed} kills") if os.waitpid(process, 0)[1] else print(
                killed, flush=True
            )
            return
        wait_for_saves(folder / "last.pth", moments.choice((0, 1, 1, 2)))
        time.sleep(moments.uniform(0, 0.1 if kind == "augmented" else 0.03))
        os.kill(process, signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
        if not os.WIFSIGNALED(status):
            sys.exit(f"the training ended (status {status}) before it was killed {kills} times")
        killed += 1


def main() -> None:
    kind, *trainings = sys.argv[1:]
    torch.set_num_threads(1)
    for first in range(0, len(trainings), 3):
        folder, kills, seed = trainings[first : first + 3]
        train_and_kill(Path(folder), int(kills), int(seed), kind)


if __name__ == "__main__":
    main()
