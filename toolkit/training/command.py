"""`toolkit train`: from a path and a network's name to a finished run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from runtime.errors import CheckpointError
from toolkit.builder.networks import network_layers
from toolkit.builder.nn import nn
from toolkit.builder.spec import LayerSpec
from toolkit.data.source import Source, open_source
from toolkit.training.checkpoint import Checkpoint

__all__ = ["TrainOptions", "continue_training", "start_training"]


@dataclass(frozen=True)
class TrainOptions:
    """What a training was started with; kept in its checkpoints, so that it can be continued."""

    model: str
    data: str
    epochs: int
    task: Literal["cls", "reg"] = "cls"
    lr: float | None = None
    batch_size: int = 64
    optimizer: str = "adam"
    schedule: str = "onecycle"
    weight_decay: float = 0.0
    val_ratio: float = 0.1
    color: Literal["RGB", "grayscale"] = "RGB"
    size: tuple[int, int] | None = None
    seed: int = 0
    workers: int | None = None


def start_training(options: TrainOptions, folder: Path, report: Callable[[str], None] | None) -> dict[str, Any]:
    """Train from the beginning. Raises ToolkitErrors for whatever does not fit."""
    source = _source(options)
    layers = network_layers(options.model, len(source.train.labels), source.train.task)
    return _train(options, source, layers, folder, None, report)


def continue_training(folder: Path, report: Callable[[str], None] | None) -> dict[str, Any]:
    """Continue the training whose last.pth lies in `folder`.

    Raises:
        CheckpointError: there is none, it was not made by `toolkit train`, or it is finished.
    """
    path = folder / "last.pth"
    if not path.is_file():
        raise CheckpointError(
            f"{folder} holds no last.pth to continue from: it is written after each whole epoch. Start a training with: toolkit train ... -o {folder}"
        )
    checkpoint = Checkpoint.load(path)
    known = checkpoint.training.get("options")
    if known is None:
        raise CheckpointError(
            f"{path} was not written by `toolkit train`. Continue it in Python: model.train(..., resume='{path}')."
        )
    options = TrainOptions(**{**known, "size": None if known["size"] is None else tuple(known["size"])})
    if checkpoint.training["epoch"] >= options.epochs and (folder / "curves.png").is_file():
        raise CheckpointError(
            f"{path} is finished: it holds all of its {options.epochs} epochs. Start a longer training anew."
        )
    return _train(options, _source(options), checkpoint.spec.layers, folder, path, report)


def _source(options: TrainOptions) -> Source:
    task: Literal["classification", "regression"] = "classification" if options.task == "cls" else "regression"
    return open_source(options.data, task=task, color=options.color, size=options.size, workers=options.workers)


def _train(
    options: TrainOptions,
    source: Source,
    layers: tuple[LayerSpec, ...],
    folder: Path,
    resume: Path | None,
    report: Callable[[str], None] | None,
) -> dict[str, Any]:
    model = nn(options.task, folder)
    model.set_seed(options.seed)
    model.use(source, batch_size=options.batch_size, train_val_ratio=1 - options.val_ratio)
    for layer in layers:
        model.add(layer.layer, activation=layer.activation, **layer.arguments)
    model.add(optimizer=options.optimizer)
    if report:
        report(f"data: {options.data}: {source.train.describe()}")
        report(str(model.summary()))
    history = model.train(
        lr=options.lr,
        epochs=options.epochs,
        filename=None,
        schedule=options.schedule,
        weight_decay=options.weight_decay,
        resume=resume,
        report=report,
        facts={"options": dataclasses.asdict(options)},
    )
    best = Checkpoint.load(folder / "best.pth").card.training["measured"]
    return {"folder": str(folder), "history": history, "best": best, "confusion": source.train.task == "classification"}
