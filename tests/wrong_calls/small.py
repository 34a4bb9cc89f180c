"""Small data and networks of every task, to be asked for something wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from toolkit import nn

NAN = float("nan")
ROWS = np.random.default_rng(0).normal(size=(24, 4))
KINDS = np.arange(24) % 3
AMOUNTS = ROWS @ [1.0, -2.0, 0.5, 0.1]
LABELS = np.eye(3)[KINDS]
STEPS = np.random.default_rng(1).normal(size=(8, 5, 4))
STEP_KINDS = np.arange(40).reshape(8, 5) % 3
PICTURES = (np.random.default_rng(2).random((24, 8, 8)) * 255).astype(np.uint8)
TOKENS = np.arange(48).reshape(8, 6) % 4
WORDS = {"<pad>": 0, "a": 1, "b": 2, "c": 3}

TARGETS: dict[str, tuple[Any, Any, int]] = {
    "cls": (ROWS, KINDS, 3),
    "multilabel": (ROWS, LABELS, 3),
    "reg": (ROWS, AMOUNTS, 1),
    "dense": (STEPS, STEP_KINDS, 3),
}


def network(to: Path, task: str = "cls", last: Any = None, outputs: int | None = None, **load: Any) -> nn:
    """A network that fits its data, but for what is asked for."""
    inputs, targets, width = TARGETS[task]
    model = nn(task, save_fold=to / "run")
    model.set_seed(0)
    model.load_dataset(inputs, targets, **load)
    flat = {"flatten": False} if task == "dense" else {}
    model.add("linear", size=(4, 8), activation="relu", **flat)
    model.add("linear", size=(8, outputs or width), activation=last, **flat)
    return model


def train(to: Path, task: str = "cls", last: Any = None, outputs: int | None = None, **settings: Any) -> Any:
    """Train it for an epoch with these settings."""
    return network(to, task, last, outputs).train(**{"epochs": 1, **settings})


def by_hand(to: Path, **attributes: Any) -> Any:
    """Train it with attributes that were set before."""
    model = network(to)
    for name, value in attributes.items():
        setattr(model, name, value)
    return model.train(epochs=1)


def add(shape: tuple[int, ...], layer: Any = None, **arguments: Any) -> nn:
    """A network of one layer, for inputs of this shape."""
    model = nn(input_shape=shape)
    model.add(layer, **arguments)
    return model


def table(to: Path, text: str, name: str = "table.csv") -> Path:
    """A file of this text."""
    return written(to, name, text.encode())


def written(to: Path, name: str, content: bytes) -> Path:
    """A file of these bytes."""
    path = to / name
    path.write_bytes(content)
    return path
