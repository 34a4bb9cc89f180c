"""`toolkit train`: from a run's description to a finished run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.atomic import atomic_write
from runtime.commands.told_warnings import told_warnings
from runtime.console import one_line, written_lines
from runtime.errors import CheckpointError, InputError
from runtime.json_text import json_text
from toolkit.api.nn import nn
from toolkit.builder.networks import network_layers
from toolkit.builder.spec import LayerSpec
from toolkit.data.augmentation.transforms import parse_transform
from toolkit.data.source import Source, open_source
from toolkit.tasks.registry import find_task
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.loop.distributed import setup
from toolkit.training.optimization.optimizers import usual_rate
from toolkit.training.optimization.schedules import peak_factor
from toolkit.training.runs.config import RunConfig
from toolkit.training.runs.run import make_folder

__all__ = ["continue_training", "find_rate", "plan_training", "start_training"]

Report = Callable[[str], None]


def start_training(config: RunConfig, folder: Path, report: Report | None) -> dict[str, Any]:
    """Train from the beginning. Raises a ToolkitError for anything that does not fit."""
    model, warned = _prepare(config, folder, report)
    _start_from(model, config, report)
    return {**_train(model, config, folder, None, report), **warned}


def continue_training(folder: Path, report: Report | None) -> dict[str, Any]:
    """Continue the training whose last.pth lies in `folder`.

    Raises:
        CheckpointError: there is none, it was not made by `toolkit train`, or it is finished.
    """
    path = folder / "last.pth"
    if not path.is_file():
        raise CheckpointError(
            f"{folder} holds no last.pth to continue from: it is written after each whole epoch, and when a training is stopped. Start one "
            f"with: toolkit train ... -o {folder}"
        )
    checkpoint = Checkpoint.load(path)
    known = checkpoint.training.get("config")
    if known is None:
        raise CheckpointError(
            f"{path} was not written by `toolkit train`. Continue it in Python: model.train(..., resume='{path}')."
        )
    config = RunConfig.from_dict(known)
    epochs = config.training["epochs"]
    if checkpoint.training["epoch"] >= epochs and (folder / "curves.png").is_file():
        raise CheckpointError(f"{path} is finished: it holds all of its {epochs} epochs. Start a longer training anew.")
    model, warned = _prepare(config, folder, report, checkpoint.spec.layers)
    return {**_train(model, config, folder, path, report), **warned}


def plan_training(config: RunConfig, folder: Path) -> tuple[dict[str, Any], str]:
    """Plan of a training, without training: (facts for JSON, text). Raises as `start_training` would."""
    model, warned = _prepare(config, folder, None)
    if config.model.weights is not None:
        model.load_weights(config.model.weights)
    settings = model.plan(**_arguments(config))
    train, validation, test = model.batches
    summary = model.summary()
    parts = {
        "training": train.examples,
        "validation": 0 if validation is None else validation.examples,
        "test": 0 if test is None else test.examples,
    }
    steps = train.replaced(batch_size=settings.batch_size).steps()
    changes = [
        *(train.augment.to_setting() if train.augment else []),
        *([train.mix.to_setting()] if train.mix else []),
    ]
    facts = {
        "data": {"path": config.data.path, "description": train.data.describe(), **parts, "augmentation": changes},
        "network": summary.to_dict(),
        "settings": settings.to_dict(),
        "steps": settings.epochs * steps,
        "config": config.to_dict(),
        **warned,
    }
    changed = {name: value for name, value in settings.to_dict().items() if value not in (None, False, [], {}, 0.0)}
    if settings.lr is None:
        rate = usual_rate(settings.optimizer) * peak_factor(settings.schedule)
        facts["usual_lr"] = rate
        changed["lr"] = f"{rate:g} (usual for this optimiser and schedule)"
    before = [
        f"data: {config.data.path}: {train.data.describe()}",
        "parts: " + ", ".join(f"{count:,} for {name}" for name, count in parts.items() if count),
    ]
    after = [
        f"plan: {settings.epochs} epochs of {steps:,} steps of {settings.batch_size} examples on {model.device}",
        *(f"  {name}: {value}" for name, value in changed.items()),
        *([f"  augmentation: {json_text(changes)}"] if changes else []),
        f"would write {folder}; nothing was written",
    ]
    return facts, "\n".join([written_lines(before), str(summary), written_lines(after)])


def find_rate(config: RunConfig, picture: Path) -> dict[str, Any]:
    """Learning-rate range test; draws the curve into `picture`."""
    model, warned = _prepare(config, picture.parent, None)
    _start_from(model, config, None)
    left_out = ("lr", "epochs", "schedule", "warmup")  # settings that the range test does not use
    settings = {name: value for name, value in _arguments(config).items() if name not in left_out}
    return {"lr": model.find_lr(picture=picture, **settings), "picture": str(picture), **warned}


def _prepare(
    config: RunConfig, folder: Path, report: Report | None, layers: tuple[LayerSpec, ...] | None = None
) -> tuple[nn, dict[str, Any]]:
    """The network with its data, ready to train, and what was warned of, for JSON."""
    if config.data.path is None:
        raise InputError("--data is needed to start a training, such as: --model lenet --data DIR.")
    with told_warnings() as told:
        source = _source(config)
    data = source.train
    if config.data.size is not None and data.pictures is None:
        raise InputError(f"data.size is for pictures; {config.data.path} holds {data.describe()}. Leave it out.")
    if layers is None:
        layers = network_layers(config.model.name, config.model.layers, len(data.labels), data.task)
    model = nn(config.data.task, folder, init=config.model.init)
    model.set_seed(config.training["seed"])
    _, augment, mix = parse_transform(_transform(config), config.data.color)
    model.use(
        source,
        batch_size=config.training["batch_size"],
        train_val_ratio=1 - config.data.val_ratio,
        test_ratio=config.data.test_ratio,
        augment=augment,
        mix=mix,
        workers=config.data.workers or 0,
        scale_targets=config.data.scale_targets,
    )
    model.add_layers(layers)
    model.add(optimizer=config.training["optimizer"])
    if report and setup(model.device).writes:
        report(one_line(f"data: {config.data.path}: {data.describe()}"))
        report(str(model.summary()))
    return model, {"warnings": told} if told else {}


def _source(config: RunConfig) -> Source:
    data = config.data
    assert data.path is not None
    card, augment, _ = parse_transform(_transform(config), data.color)
    return open_source(
        data.path,
        task=find_task(data.task).name,
        card=card,
        keep_originals=augment is not None and augment.from_originals,
        labels=data.classes,
        label=data.label,
        scale=data.scale,
        level=data.level,
        length=data.length,
        workers=data.workers or None,
    )


def _transform(config: RunConfig) -> Any:
    size, transform = config.data.size, config.data.transform
    if size is None:
        return transform
    resize: dict[str, Any] = {"Resize": list(size)}
    if transform is None:
        return resize
    return [resize, *transform] if isinstance(transform, list | tuple) else {**resize, **transform}


def _start_from(model: nn, config: RunConfig, report: Report | None) -> None:
    """Load the pretrained weights that the configuration names."""
    found = None
    if config.model.pretrained is not None:
        found = model.load_pretrained(config.model.pretrained)
    if config.model.weights is not None:
        found = model.load_weights(config.model.weights)
    if found is not None and report:
        report(str(found))


def _arguments(config: RunConfig) -> dict[str, Any]:
    """The arguments of `nn.train` for a run."""
    left_out = ("optimizer", "seed")
    return {name: value for name, value in config.training.items() if name not in left_out}


def _train(model: nn, config: RunConfig, folder: Path, resume: Path | None, report: Report | None) -> dict[str, Any]:
    model.plan(**_arguments(config))  # errors are raised before anything is written
    processes = setup(model.device)
    if processes.writes:
        make_folder(folder)
        atomic_write(folder / "run.toml", config.to_toml())
    history = model.train(
        **_arguments(config),
        filename=None,
        resume=resume,
        tensorboard=config.tensorboard,
        report=report,
        verbose=report is not None,
        facts={"config": config.to_dict()},
    )
    best = Checkpoint.load(folder / "best.pth").card.training["measured"]
    if not processes.writes:
        return {"folder": str(folder), "history": history, "best": best, "files": []}
    return {
        "folder": str(folder),
        "history": history,
        "best": best,
        "files": sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")),
    }
