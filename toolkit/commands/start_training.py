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
from toolkit.training.runs.config import RunConfig, override
from toolkit.training.runs.folder import find_earlier

__all__ = ["continue_training", "find_rate", "plan_training", "start_training"]

Report = Callable[[str], None]


def start_training(config: RunConfig, folder: Path, report: Report | None) -> dict[str, Any]:
    """Train from the beginning. Raises a ToolkitError for anything that does not fit, and where `folder` holds a training already."""
    earlier = find_earlier(folder)
    if earlier is not None:
        raise InputError(
            f"{folder} holds {earlier} already, which would be replaced. Continue it with: toolkit train -o {folder} --resume (also with "
            f"--epochs), give another folder with -o, or remove this one."
        )
    model, warned = _prepare(config, folder, report)
    _start_from(model, config, report)
    return {**_train(model, config, folder, None, report), **warned}


def continue_training(
    folder: Path,
    report: Report | None,
    *,
    data: str | None = None,
    epochs: int | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Continue the training whose last.pth lies in `folder`.

    Args:
        folder: of the training.
        report: called with each line.
        data: where its data lies now; None where it lay. That it is the same is known by its content.
        epochs: of the whole training; None as it was planned.
        workers: as `DataConfig.workers`; None as before.

    Raises:
        CheckpointError: there is none, it was not made by `toolkit train`, or it is finished.
        InputError: the data is not where it lay.
    """
    path = folder / "last.pth"
    if not path.is_file():
        raise CheckpointError(
            f"{folder} holds no last.pth to continue from: it is written after the first whole epoch, and when a training is stopped. Start one "
            f"with: toolkit train ... -o {folder}"
        )
    checkpoint = Checkpoint.load(path)
    known = checkpoint.training.get("config")
    if known is None:
        raise CheckpointError(
            f"{path} was not written by `toolkit train`. Continue it in Python: model.train(..., resume='{path}')."
        )
    changes = {"data.path": data, "training.epochs": epochs, "data.workers": workers}
    config = RunConfig.from_dict(override(known, [(key, value) for key, value in changes.items() if value is not None]))
    done, planned = checkpoint.training["epoch"], config.training["epochs"]
    if done >= planned and (folder / "curves.png").is_file():
        raise CheckpointError(
            f"{path} is finished: it holds all of its {done} epochs. Go on for more with: toolkit train -o {folder} "
            f"--resume --epochs {done + max(1, done // 2)}"
        )
    if config.data.path is not None and not Path(config.data.path).exists():
        raise InputError(
            f"{config.data.path}, the data of this training, does not exist. Where it went elsewhere, say so: toolkit train -o {folder} "
            f"--resume --data PATH"
        )
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
    steps = train.replaced(batch_size=settings.batch_size, drop_last=settings.drop_last).steps()
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
    history = model.train(
        **_arguments(config),
        filename=None,
        resume=resume,
        tensorboard=config.tensorboard,
        report=report,
        verbose=report is not None,
        facts={"config": config.to_dict()},
        callbacks=[_Description(folder, config)] if processes.writes else [],
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


class _Description:
    """Callback that writes run.toml, once the folder is this training's."""

    def __init__(self, folder: Path, config: RunConfig) -> None:
        self.folder, self.config = folder, config

    def on_train_begin(self, _training: Any) -> None:
        atomic_write(self.folder / "run.toml", self.config.to_toml())
