"""Options of `toolkit export` (texts) -> the settings of an export."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from exporters.commands.option_texts import json_object, lengths, names
from exporters.settings import Tolerance
from runtime.card import ModelCard
from runtime.errors import CardError, InputError, suggest
from runtime.regular_file import require_file

__all__ = ["settings_of"]

_CARD = (
    'an object, such as {"task": "classification", "labels": ["a", "b"], "inputs": [{"kind": "image", "name": "input", '
    '"color": "RGB", "size": [224, 224]}]}'
)


def settings_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of `toolkit export` -> keywords of `exporters.export`.

    Raises:
        InputError: a text is not what is expected, a file cannot be read, or two options exclude each other.
        CardError: --card holds no card.
    """
    found = dict(options)
    if found.pop("static"):
        if found["dynamic"] is not None:
            raise InputError("--static and --dynamic were both given; choose one.")
        found["dynamic"] = ()
    elif found["dynamic"] is not None:
        found["dynamic"] = names(found["dynamic"])
    found["outputs"] = None if found["outputs"] is None else names(found["outputs"])
    found["arch_args"] = json_object("--arch-args", found["arch_args"])
    found["input_size"] = lengths("--input-size", found["input_size"])
    found["opset_version"] = found.pop("opset")
    found["embed_postprocess"] = tuple(found["embed_postprocess"])
    for flag in ("atol", "rtol", "max_drop"):
        if not math.isfinite(found[flag]):
            raise InputError(f"--{flag.replace('_', '-')} {found[flag]} was given; a number of 0 or more is expected.")
    found["tolerance"] = Tolerance(found.pop("atol"), found.pop("rtol"))
    labels, card = found.pop("labels"), found.pop("card")
    if card is not None:
        told = _card(Path(card))
        found.update(task=found["task"] or told.task, labels=told.labels, inputs=told.inputs or None)
    if labels is not None:
        found["labels"] = tuple(_lines(Path(labels)))
    return found


def _read(path: Path) -> str:
    require_file(path, expected="a text file")
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}. Give a text file in UTF-8.") from error


def _lines(path: Path) -> list[str]:
    lines = [line.strip() for line in _read(path).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if not lines or not all(lines):
        raise InputError(f"{path} holds no labels, or an empty line between them. Write one name a line.")
    return lines


def _card(path: Path) -> ModelCard:
    """Model card from --card, whole or in part: the task, and inputs or labels that the source lacks."""
    try:
        value = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise CardError(f"{path} is not JSON: {error}. Write {_CARD}.") from error
    if isinstance(value, dict):
        value = {"version": 1, "inputs": [], **value}
        known = ["version", *(field.name for field in fields(ModelCard))]
        for name in value:
            if name not in known:
                raise CardError(f"{path}: a card has no {name!r}.{suggest(name, known)}")
        if "task" not in value:
            raise CardError(f"{path} names no task. Write {_CARD}.")
    try:
        return ModelCard.from_dict(value)
    except CardError as error:
        reason = str(error).removesuffix(" Export the model again.")
        raise CardError(f"{path} cannot be read as a card. {reason} Write {_CARD}.") from error
