"""The options of `toolkit train` as the description of a run."""

from __future__ import annotations

from typing import Any

from runtime.errors import InputError
from toolkit.commands.json_text import parse_json
from toolkit.training.runs.config import RunConfig, override, parse_change, read_run

__all__ = ["run_config"]

# The options of `toolkit train` that are not settings of the training -> their keys in the TOML.
_KEYS = {
    "model": "model.name",
    "data": "data.path",
    "task": "data.task",
    "color": "data.color",
    "size": "data.size",
    "augment": "data.transform",
    "val_ratio": "data.val_ratio",
    "workers": "data.workers",
    "tensorboard": "tensorboard",
}


def run_config(run: str | None, options: dict[str, Any]) -> RunConfig:
    """Run configuration: the TOML, overridden by the options, overridden by --set.

    Args:
        run: the TOML's path, or None.
        options: those of the command by their names; `changes` are the texts of --set.

    Raises:
        InputError: an option or a key does not fit, or neither names the network and the data.
    """
    options = {**options, "augment": parse_json("--augment", options["augment"])}
    changes = options.pop("changes")
    given = [
        (_KEYS.get(name, f"training.{name}"), value)
        for name, value in options.items()
        if value is not None and value is not False
    ]
    tables = override({} if run is None else read_run(run), [*given, *map(parse_change, changes)])
    config = RunConfig.from_dict(tables)
    if not config.model.given or config.data.path is None:
        raise InputError("--model and --data are needed to start a training, such as: --model lenet --data DIR.")
    return config
