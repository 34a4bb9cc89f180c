"""Real work: what a few lines of the builder reach on real data.

Usage: python benchmarks/real_work.py [--data FOLDER with MNIST and names] [mnist-mlp mnist-conv names diabetes iris]
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runtime.console import table
from toolkit import nn
from toolkit.data.batching.batches import Batches
from toolkit.data.dataset import Dataset
from toolkit.data.readers.tables import load_csv
from toolkit.data.readers.text import load_text_folder
from toolkit.data.source import Source, open_source
from toolkit.data.splits import same_inputs, split
from toolkit.data.stores import RowStore

TABLES = Path(__file__).resolve().parents[1] / "examples" / "data"


def mnist_mlp(data: Path, folder: Path) -> tuple[str, str, str]:
    """784-512-256-128-64-10, as the course has it."""
    model = nn("cls", folder)
    model.set_seed(0)
    model.use(open_source(data / "MNIST"), batch_size=128, train_val_ratio=0.95)
    for width in (512, 256, 128, 64):
        model.add("linear", size=width, activation="relu", init="kaiming_normal")
    model.add("linear", size=10, activation="softmax")
    model.train(epochs=10, schedule="onecycle", filename=None, report=None)
    return "MNIST, 784-512-256-128-64-10, 10 epochs", f"{test_accuracy(model):.2%}", "≥ 97.8 %"


def mnist_conv(data: Path, folder: Path) -> tuple[str, str, str]:
    """Two 5x5 convolutions."""
    model = nn("cls", folder)
    model.set_seed(0)
    model.use(open_source(data / "MNIST"), batch_size=128, train_val_ratio=0.95)
    model.add("conv2d", size=(1, 16), kernel_size=5, activation="relu")
    model.add("maxpool", kernel_size=2)
    model.add("conv2d", size=32, kernel_size=5, activation="relu")
    model.add("maxpool", kernel_size=2)
    model.add("dropout", p=0.25)
    model.add("linear", size=128, activation="relu")
    model.add("linear", size=10, activation="softmax")
    model.train(epochs=6, schedule="onecycle", filename=None, report=None)
    return "MNIST, two 5x5 convolutions, 6 epochs", f"{test_accuracy(model):.2%}", "≥ 98.9 %"


def names(data: Path, folder: Path) -> tuple[str, str, str]:
    """18 languages from a surname: embedding, bidirectional GRU over packed sequences.

    Many names stand in the files more than once; measured on a plain stratified fifth, and on one whose names all are new.
    """
    whole = load_text_folder(data / "names")
    found = []
    for groups in (None, same_inputs(whole)):
        parts = split(whole, 0.8, seed=0, groups=groups)
        model = nn("cls", folder)
        model.set_seed(0)
        held_out = subset(whole, parts.validation)
        model.use(Source(subset(whole, parts.train), validation=held_out), batch_size=64)
        model.add("embedding", size=64, padding_idx=0)
        model.add("gru", size=(64, 128), bidirectional=True, last_step=True)
        model.add("dropout", p=0.3)
        model.add("linear", size=18, activation="softmax")
        model.add(optimizer="adamw")
        model.train(
            lr=3e-3, epochs=10, schedule="onecycle", weight_decay=0.01, clip_norm=1.0, filename=None, report=None
        )
        found.append(float((model.inference(Batches(held_out)).argmax(1) == held_out.targets).mean()))
    figures = f"{found[0]:.2%} ({found[1]:.2%} where no name is in both parts)"
    return "names of 18 languages, bidirectional GRU, 10 epochs", figures, "≥ 80 %"


def subset(data: Dataset, indices: np.ndarray) -> Dataset:
    """Some examples as a data set of their own."""
    inputs = RowStore(data.inputs.take(torch.from_numpy(indices)).numpy())
    return dataclasses.replace(data, inputs=inputs, targets=data.targets[indices])


def diabetes(_data: Path, folder: Path) -> tuple[str, str, str]:
    """R2 on a held-out fifth, beside the linear regression's on the same rows."""
    ours, linear = [], []
    for seed in range(5):
        model = nn("reg", folder)
        model.set_seed(seed)
        train, held_out = model.load_tab_data(TABLES / "diabetes.csv", batch_size=32, train_val_ratio=0.8)
        model.add("linear", size=32, activation="relu")
        model.add("dropout", p=0.2)
        model.add("linear", size=1)
        model.train(lr=0.005, epochs=60, weight_decay=0.01, schedule="cosine", filename=None, report=None)
        values = model.inference(held_out)
        ours.append(r2(values[:, 0], model.val_label[:, 0]))
        rows = load_csv(TABLES / "diabetes.csv", task="regression")
        inputs = rows.inputs.take(torch.arange(len(rows))).numpy()
        design = np.c_[inputs, np.ones(len(inputs))]
        solution, *_ = np.linalg.lstsq(design[train.indices], rows.targets[train.indices, 0], rcond=None)
        linear.append(r2(design[held_out.indices] @ solution, rows.targets[held_out.indices, 0]))
    found = f"R² {np.mean(ours):.3f}, linear regression {np.mean(linear):.3f} (means of 5 splits)"
    return "diabetes, one hidden layer", found, "shown"


def iris(_data: Path, folder: Path) -> tuple[str, str, str]:
    """A fifth held out, eight splits."""
    found = []
    for seed in range(8):
        model = nn("cls", folder)
        model.set_seed(seed)
        _, held_out = model.load_tab_data(TABLES / "iris.csv", batch_size=16, train_val_ratio=0.8)
        model.add("linear", size=(4, 10), activation="relu")
        model.add("linear", size=(10, 5), activation="relu")
        model.add("linear", size=(5, 3), activation="softmax")
        model.train(lr=0.005, epochs=60, schedule="onecycle", weight_decay=0.01, filename=None, report=None)
        found.append(float((model.inference(held_out).argmax(1) == model.val_label).mean()))
    return "iris, 4-10-5-3", f"{np.mean(found):.2%} (mean of 8 splits, worst {min(found):.2%})", "≥ 95 %"


def test_accuracy(model: nn) -> float:
    """Of the last epoch's weights, on the part that the source holds for testing."""
    test = model.batches[2]
    assert test is not None
    return float((model.inference(test).argmax(1) == model.val_label).mean())


def r2(found: np.ndarray, wanted: np.ndarray) -> float:
    """The coefficient of determination."""
    return float(1 - ((found - wanted) ** 2).sum() / ((wanted - wanted.mean()) ** 2).sum())


TASKS: dict[str, Callable[[Path, Path], tuple[str, str, str]]] = {
    "mnist-mlp": mnist_mlp,
    "mnist-conv": mnist_conv,
    "names": names,
    "diabetes": diabetes,
    "iris": iris,
}


def main() -> None:
    """Parse the arguments, train, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="|".join(TASKS), help="default: all that there is data for")
    parser.add_argument("--data", type=Path, default=None, help="folder with MNIST and names")
    arguments = parser.parse_args()
    chosen = arguments.tasks or [name for name in TASKS if arguments.data or name in ("diabetes", "iris")]
    rows: list[tuple[Any, ...]] = []
    for name in chosen:
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            what, found, aim = TASKS[name](arguments.data, Path(folder))
        rows.append((what, found, aim, f"{time.perf_counter() - started:.0f} s"))
    print(table(("task", "held out", "aim", "time"), rows))


if __name__ == "__main__":
    main()
