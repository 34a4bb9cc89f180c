"""Run configuration of `toolkit train`: three tables of plain values, from TOML, the command line, or both."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from runtime.errors import InputError, SpecError, suggest
from runtime.regular_file import require_file
from toolkit.tasks.registry import DEFAULT_ALIAS, short_names
from toolkit.training.settings import Settings

__all__ = ["DataConfig", "ModelConfig", "RunConfig", "override", "parse_change", "read_run"]

# Defaults of a training from the command line.
_DEFAULTS = {"optimizer": "adam", "epochs": 10, "batch_size": 64, "schedule": "onecycle", "seed": 0}
_CHOICES = {"color": ("RGB", "grayscale"), "level": ("character", "word")}


@dataclass(frozen=True)
class ModelConfig:
    """The network.

    Attributes:
        name: a network's name (lenet, mlp, resnet18, ...) or a .json file with its layers; None when `layers` are given.
        layers: the layers as `add()` takes them: {"layer": ..., "activation": ..., and the layer's arguments}.
        init: initialisation of all weights, by name or {"name": ...}; None keeps PyTorch's.
        weights: a file whose weights the training starts from; those that match by name and shape are loaded.
        pretrained: torchvision's published weights of the named network, such as "DEFAULT"; None starts fresh.
    """

    name: str | None = None
    layers: tuple[Mapping[str, Any], ...] = ()
    init: str | Mapping[str, Any] | None = None
    weights: str | None = None
    pretrained: str | None = None

    def __post_init__(self) -> None:
        for name in ("name", "weights", "pretrained"):
            _text(f"model.{name}", getattr(self, name))

    @property
    def given(self) -> bool:
        """True if a network is named or layers are given."""
        return self.name is not None or bool(self.layers)


@dataclass(frozen=True)
class DataConfig:
    """The data.

    Attributes:
        path: a folder of class folders, of texts, or with idx files; a .csv, .tsv or .npz file.
        task: short name of a task, such as "cls", "multilabel", "reg", "dense" or "embedding".
        color: "RGB" or "grayscale", for pictures in folders.
        size: (height, width) that pictures are brought to; None keeps the size that all of them share.
        transform: transforms by name, as `load_img_data` takes them; random ones act in training only.
        val_ratio: share held out for validation where the data brings none.
        test_ratio: share held out for a last measurement where the data brings none.
        classes: names of the classes in the order of the network's outputs, as `load_img_data` takes them; None takes those in
            the data, in their order.
        label: the label column of a table, or a list of them where there are several; None takes the last one.
        scale: bring a table's columns to mean 0 and deviation 1.
        scale_targets: train a regression on targets of mean 0 and deviation 1; outputs, losses and metrics are in the data's
            units all the same.
        level: "character" or "word", for texts.
        length: longest text that is kept whole, in characters or words; None takes the longest there is.
        workers: threads that decode pictures, and processes that augment them; None takes one thread per core.
    """

    path: str | None = None
    task: str = DEFAULT_ALIAS
    color: Literal["RGB", "grayscale"] = "RGB"
    size: tuple[int, int] | None = None
    transform: Any = None
    val_ratio: float = 0.1
    test_ratio: float = 0.0
    classes: Any = None
    label: str | Sequence[str] | None = None
    scale: bool = True
    scale_targets: bool = True
    level: Literal["character", "word"] = "character"
    length: int | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        for name, known in {"task": short_names(), **_CHOICES}.items():
            if getattr(self, name) not in known:
                raise SpecError(
                    f"data.{name}={getattr(self, name)!r} was given.{suggest(str(getattr(self, name)), known)}"
                )
        for name in ("val_ratio", "test_ratio"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
                raise SpecError(f"data.{name}={value!r} was given; a share of at least 0 and below 1 is expected.")
        if self.val_ratio + self.test_ratio >= 1:
            raise SpecError(
                f"data.val_ratio={self.val_ratio} and data.test_ratio={self.test_ratio} leave nothing to train on."
            )
        _text("data.path", self.path)
        for name in ("scale", "scale_targets"):
            if not isinstance(getattr(self, name), bool):
                raise SpecError(f"data.{name}={getattr(self, name)!r} was given; true or false is expected.")
        if self.label is not None and not isinstance(self.label, str | list | tuple):
            raise SpecError(f"data.label={self.label!r} was given; the name of a column is expected.")
        for name, least in (("length", 1), ("workers", 0)):
            value = getattr(self, name)
            if value is not None and (not _whole(value) or value < least):
                raise SpecError(f"data.{name}={value!r} was given; a whole number of at least {least} is expected.")
        if self.size is not None:
            fits = isinstance(self.size, list | tuple) and len(self.size) == 2
            if not fits or not all(_whole(length) and length >= 1 for length in self.size):
                raise SpecError(
                    f"data.size={self.size!r} was given; (height, width) of at least 1 is expected, such as [28, 28]."
                )
            object.__setattr__(self, "size", tuple(self.size))


@dataclass(frozen=True)
class RunConfig:
    """A whole run.

    Attributes:
        model, data: see there.
        training: values for the names of `Settings`.
        tensorboard: True to write TensorBoard files.
        output: folder for checkpoints and pictures; None takes a new one below runs.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    training: Mapping[str, Any] = field(default_factory=dict)
    tensorboard: bool = False
    output: str | None = None

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> RunConfig:
        """Read a run from plain containers.

        Raises:
            SpecError: a key is unknown or a value does not fit.
        """
        known = ("model", "data", "training", "tensorboard", "output")
        _only(value, known, "")
        training = dict(_table(value, "training"))
        _only(training, [entry.name for entry in dataclasses.fields(Settings)], "training.")
        model = dict(_table(value, "model"))
        _only(model, [entry.name for entry in dataclasses.fields(ModelConfig)], "model.")
        layers = model.get("layers", ())
        if not isinstance(layers, list | tuple) or not all(isinstance(entry, Mapping) for entry in layers):
            raise SpecError("model.layers is a list of tables, each with layer, activation and the layer's arguments.")
        data = dict(_table(value, "data"))
        _only(data, [entry.name for entry in dataclasses.fields(DataConfig)], "data.")
        tensorboard = value.get("tensorboard", False)
        if not isinstance(tensorboard, bool):
            raise SpecError(f"tensorboard={tensorboard!r} was given; true or false is expected.")
        complete = {**_DEFAULTS, **training}
        Settings.from_dict({"loss": "CrossEntropyLoss", "metrics": (), **complete})  # each value is checked here
        output = value.get("output")
        if output is not None and not isinstance(output, str):
            raise SpecError(f"output={output!r} was given; a folder's path is expected.")
        return cls(ModelConfig(**{**model, "layers": tuple(layers)}), DataConfig(**data), complete, tensorboard, output)

    def new_folder(self, run: str | None = None) -> Path:
        """`output`; else runs/NAME, with a number behind it where that is taken. `run` is the TOML's path."""
        if self.output is not None:
            return Path(self.output)
        name = Path(run or self.model.name or "network").stem
        folders = (Path("runs", name if number == 1 else f"{name}-{number}") for number in itertools.count(1))
        return next(folder for folder in folders if not folder.exists())

    def to_dict(self) -> dict[str, Any]:
        """Plain containers without what is not set and without `output`, for TOML, JSON and the checkpoint."""
        return {
            "model": _given(dataclasses.asdict(self.model), ModelConfig),
            "data": _given(dataclasses.asdict(self.data), DataConfig),
            "training": _plain(dict(self.training)),
            **({"tensorboard": True} if self.tensorboard else {}),
        }

    def to_toml(self) -> str:
        """The file that starts the same run again: `toolkit train run.toml`."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())


def read_run(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A TOML file -> its tables. Raises InputError when it cannot be read."""
    source = require_file(path)
    try:
        return tomllib.loads(source.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source} cannot be read: {error}.") from error
    except (
        tomllib.TOMLDecodeError,
        ValueError,
        RecursionError,
    ) as error:  # ValueError: a number with thousands of digits
        raise InputError(f"{source} is not TOML: {error}. See toml.io for the format.") from error


def override(tables: Mapping[str, Any], changes: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Override values by their dotted keys, such as ("training.lr", 0.01); nothing else changes.

    Within a list a key is a position, counted from 0: ("model.layers.0.kernel_size", 5).

    Raises:
        SpecError: a key leads through something that is neither table nor list, or to a place that a list does not have.
    """
    result = dict(tables)
    for key, value in changes:
        *parents, last = key.split(".")
        place: Any = result
        for parent in parents:
            where = _place(place, parent, key)
            inner = place.get(where, {}) if isinstance(place, dict) else place[where]
            if not isinstance(inner, Mapping | list | tuple):
                raise SpecError(f"--set {key}: {parent!r} is {inner!r} and has no keys below it.")
            place[where] = dict(inner) if isinstance(inner, Mapping) else list(inner)
            place = place[where]
        place[_place(place, last, key)] = value
    return result


def _place(container: dict[str, Any] | list[Any], name: str, key: str) -> Any:
    """A key of a table as it is, or a position in a list."""
    if isinstance(container, dict):
        return name
    if not name.isdecimal() or int(name) >= len(container):
        raise SpecError(
            f"--set {key}: {name!r} was given for a list of {len(container)}; a position from 0 to {len(container) - 1} is "
            f'expected. A new entry comes with the whole list, such as --set \'training.metrics=["acc", "f1"]\'.'
        )
    return int(name)


def parse_change(text: str) -> tuple[str, Any]:
    """'training.lr=0.01' -> ("training.lr", 0.01). The value is TOML; what is none is taken as text.

    Raises:
        InputError: there is no '=' in it.
    """
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise InputError(f"--set {text}: KEY=VALUE is expected, such as --set training.ema=0.999.")
    try:
        return key.strip(), tomllib.loads(f"value = {value.strip()}")["value"]
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        return key.strip(), value.strip()


def _only(value: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    """Raise SpecError for a key that there is not, with the place of a key that stands in the wrong table."""
    tables = {"model": ModelConfig, "data": DataConfig, "training": Settings}
    everywhere = {entry.name: table for table, kind in tables.items() for entry in dataclasses.fields(kind)}
    for name in value:
        if name in known:
            continue
        advice = suggest(str(name), known)
        meant = difflib.get_close_matches(str(name).lower(), everywhere, n=1, cutoff=0.8)
        if name in everywhere or (meant and not advice.startswith(" Did you mean")):
            meant = [str(name)] if name in everywhere else meant
            advice = f" {meant[0]!r} is a key of [{everywhere[meant[0]]}]: {everywhere[meant[0]]}.{meant[0]}."
        raise SpecError(f"There is no key {where + str(name)!r}.{advice}")


def _table(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = value.get(name, {})
    if not isinstance(table, Mapping):
        raise SpecError(f"{name}={table!r} was given; a table is expected, such as [{name}].")
    return table


def _text(name: str, value: Any) -> None:
    if value is not None and (not isinstance(value, str) or not value):
        raise SpecError(f"{name}={value!r} was given; a text is expected.")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _given(value: Mapping[str, Any], kind: type[ModelConfig] | type[DataConfig]) -> dict[str, Any]:
    defaults = {entry.name: entry.default for entry in dataclasses.fields(kind)}
    return {name: _plain(item) for name, item in value.items() if item is not None and item != defaults[name]}


def _plain(value: Any) -> Any:
    """Plain value without entries that are None, as TOML has no null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
