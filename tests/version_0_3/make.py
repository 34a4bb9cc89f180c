"""Makes, with version 0.3 installed, what `tests/test_version_0_3.py` reads: `python tests/version_0_3/make.py FOLDER`."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from toolkit import nn

ROWS = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
KINDS = np.arange(24) % 3
LABELS = (np.random.default_rng(1).random((24, 3)) < 0.5).astype(np.float32)
AMOUNTS = (ROWS @ [1.0, -2.0, 0.5, 0.1]).astype(np.float32)
STEPS = np.random.default_rng(2).normal(size=(12, 5, 4)).astype(np.float32)
STEP_KINDS = np.arange(60).reshape(12, 5) % 3
PICTURES = (np.random.default_rng(3).random((24, 12, 10)) * 255).astype(np.uint8)
TEXTS = ["a small cat", "one big dog", "small dog", "a big cat"] * 6
TEXT_KINDS = ["cat", "dog", "dog", "cat"] * 6
# Twelve sequences of three to six steps.
LENGTHS = [np.random.default_rng(index).normal(size=(3 + index % 4, 4)).astype(np.float32) for index in range(12)]

Network = tuple[Any, Any, dict[str, Any]]  # the model, what `inference` takes, the settings of its training


def seeded(task: str) -> Any:
    model = nn(task)
    model.set_seed(0)
    return model


def table(to: Path) -> Path:
    path = to / "rows.csv"
    lines = ["length,width,depth,weight,kind"]
    lines += [
        ",".join(f"{value:.4f}" for value in row) + f",kind {kind}" for row, kind in zip(ROWS, KINDS, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def folder(to: Path) -> Path:
    path = to / "pictures"
    for index, (pixels, kind) in enumerate(zip(PICTURES, KINDS, strict=True)):
        (path / f"kind {kind}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path / f"kind {kind}" / f"{index:02}.png")
    return path


def classification(to: Path) -> Network:
    model = seeded("cls")
    model.load_tab_data(table(to), batch_size=8, train_val_ratio=0.75)
    model.add("linear", size=(4, 8), activation="relu")
    model.add("linear", size=(8, 3), activation="softmax")
    return model, ROWS, {"optimizer": "adam"}


def pictures(to: Path) -> Network:
    model = seeded("cls")
    model.load_img_data(
        folder(to),
        batch_size=8,
        train_val_ratio=0.75,
        color="grayscale",
        transform={"Resize": (10, 10), "RandomRotation": 5},
    )
    model.add("conv2d", size=(1, 4), kernel_size=3, activation="relu")
    model.add("batchnorm2d", size=4)
    model.add("maxpool", kernel_size=2)
    model.add("linear", size=(64, 3))
    return model, [str(path) for path in sorted((to / "pictures").rglob("*.png"))], {"optimizer": "sgd"}


def multilabel(to: Path) -> Network:
    model = seeded("multilabel")
    model.load_dataset(ROWS, LABELS, classes=["red", "green", "blue"], batch_size=8, train_val_ratio=0.75)
    model.add("linear", size=(4, 3), activation="sigmoid")
    return model, ROWS, {"optimizer": "adamw"}


def regression(to: Path) -> Network:
    model = seeded("reg")
    model.load_dataset(ROWS, AMOUNTS, batch_size=8, train_val_ratio=0.75)
    model.add("linear", size=(4, 8), activation="tanh")
    model.add("linear", size=(8, 1))
    return model, ROWS, {"loss": "SmoothL1Loss", "schedule": "cosine"}


def dense(to: Path) -> Network:
    model = seeded("dense")
    model.load_dataset(STEPS, STEP_KINDS, batch_size=4, train_val_ratio=0.75)
    model.add("lstm", size=(4, 6), last_step=False)
    model.add("linear", size=(6, 3), flatten=False)
    return model, STEPS, {"metrics": ["acc"]}


def sequence(to: Path) -> Network:
    model = seeded("cls")
    model.load_dataset(LENGTHS, KINDS[:12], batch_size=4, train_val_ratio=0.75)
    model.add("gru", size=(4, 6), last_step=True)
    model.add("linear", size=(6, 3))
    return model, LENGTHS[2][None], {"ema": 0.9}


def text(to: Path) -> Network:
    model = seeded("cls")
    model.load_text_data(TEXTS, TEXT_KINDS, level="word", batch_size=8, train_val_ratio=0.75)
    model.add("embedding", size=(12, 6))
    model.add("lstm", size=(6, 5), last_step=True)
    model.add("linear", size=(5, 2))
    return model, TEXTS[:4], {"loss": {"name": "CrossEntropyLoss", "label_smoothing": 0.1}}


def tokens(to: Path) -> Network:
    model = seeded("dense")
    model.load_text_data(
        TEXTS, [[1, 0, 1], [0, 1], [1, 1], [0, 0, 1]] * 6, level="word", batch_size=8, train_val_ratio=0.75
    )
    model.add("embedding", size=(12, 6))
    model.add("gru", size=(6, 5))
    model.add("linear", size=(5, 2), flatten=False)
    return model, TEXTS[:4], {}


def pairs(to: Path) -> Network:
    model = seeded("embedding")
    model.load_pairs(ROWS, ROWS[::-1].copy(), KINDS[::-1] == KINDS, batch_size=8, train_val_ratio=0.75)
    model.add("linear", size=(4, 5))
    return model, ROWS, {"warmup": 0.5}


def triplets(to: Path) -> Network:
    model = seeded("embedding")
    model.load_triplets(ROWS, ROWS + 0.01, ROWS[::-1].copy(), batch_size=8, train_val_ratio=0.75)
    model.add("linear", size=(4, 5))
    return model, ROWS, {}


def poisson(to: Path) -> Network:
    model = seeded("reg")
    model.load_dataset(ROWS, np.arange(24, dtype=np.float32) % 5, batch_size=8, train_val_ratio=0.75)
    model.add("linear", size=(4, 1))
    return model, ROWS, {"loss": "PoissonNLLLoss"}


def gaussian(to: Path) -> Network:
    model = seeded("reg")
    model.load_dataset(ROWS, AMOUNTS, batch_size=8, train_val_ratio=0.75)
    model.add("linear", size=(4, 2))
    return model, ROWS, {"loss": "GaussianNLLLoss"}


def command(to: Path) -> Network:
    """The first as `toolkit train` trains it, with the run's description in the checkpoint."""
    model, inputs, settings = classification(to)
    training = {"optimizer": "adam", "lr": 0.01, "epochs": 3, "batch_size": 8, "schedule": "onecycle", "seed": 0}
    config = {"model": {"name": "mlp"}, "data": {"path": "rows.csv", "val_ratio": 0.25}, "training": training}
    return model, inputs, {**settings, "schedule": "onecycle", "facts": {"config": config}}


NETWORKS = (
    *(classification, pictures, multilabel, regression, dense, sequence, text, tokens, pairs, triplets),
    *(poisson, gaussian, command),
)


def trained(name: str, to: Path, **more: Any) -> Network:
    """One of the networks after three epochs."""
    torch.set_num_threads(1)
    made = next(each for each in NETWORKS if each.__name__ == name)
    model, inputs, settings = made(to)
    usual = {"lr": 0.01, "epochs": 3, "save_fold": to / "run", "filename": None, "verbose": False, "report": None}
    model.train(**{**usual, **settings, **more})
    return model, inputs, settings


def main(to: Path) -> None:
    """Write NAME.pth after an epoch of three and its NAME.onnx, and in NAME.npz what inference and the file say of it
    and the weights after all three."""
    import runtime
    from exporters import export
    from runtime.errors import CardError

    for made in NETWORKS:
        name = made.__name__
        work = to / "work" / name
        work.mkdir(parents=True, exist_ok=True)
        kept = to / f"{name}.pth"

        def keep(event: str, training: Any, work: Path = work, kept: Path = kept) -> None:
            if event == "epoch_end" and not kept.exists():
                shutil.copy(work / "run" / "last.pth", kept)

        model, inputs, _ = trained(name, work, callbacks=[keep])
        weights = {f"after.{key}": value.numpy() for key, value in model.model.state_dict().items()}
        said = model.inference(inputs, checkpoint=kept)
        export(kept, to / f"{name}.onnx", simplifier="none")
        try:
            predicted = [each.to_dict() for each in runtime.load(to / f"{name}.onnx", "cpu").predict(inputs)]
        except CardError:  # of two numbers by one name
            predicted = None
        np.savez_compressed(to / f"{name}.npz", said=said, predicted=json.dumps(predicted), **weights)
    shutil.rmtree(to / "work")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
