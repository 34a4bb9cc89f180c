"""Parts of a data source by their names: the folders or files for training, validation and test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, TypeAlias

from runtime.errors import InputError

__all__ = ["Part", "find_part", "find_parts"]

Part: TypeAlias = Literal["train", "validation", "test"]

_NAMES: dict[Part, tuple[str, ...]] = {
    "train": ("train", "training", "training_set", "train_set"),
    "validation": ("val", "valid", "validation", "val_set", "validation_set"),
    "test": ("test", "testing", "test_set"),
}


def find_parts(
    candidates: Iterable[Path], what: str, holds: Callable[[Path], Any] = lambda path: True
) -> dict[Part, Path]:
    """The candidates that are named for a part, such as ``train`` or ``val.csv``; {} where none is for training.

    Args:
        candidates: folders or files of one kind, in one folder.
        what: a part is expected to be, for messages: "a folder with one sub-folder a class".
        holds: tells whether a candidate that is named for a part holds what a part does.

    Raises:
        InputError: two are named for one part, or all are for parts, and none for training.
    """
    found: dict[Part, Path] = {}
    others = False
    for path in sorted(candidates):
        part = _named_for(path)
        if part is None or not holds(path):
            others |= part is None
            continue
        if part in found:
            raise InputError(
                f"{found[part]} and {path} are both named for the {part} part. Rename one, or take it away."
            )
        found[part] = path
    if "train" in found:
        return found
    if found and not others:
        first = next(iter(found.values()))
        raise InputError(
            f"{first.parent} holds {', '.join(path.name for path in found.values())} and no part for training; "
            f"{first.with_stem('train')}, {what}, is expected. To read one part alone, give its own path."
        )
    return {}


def find_part(folder: Path, wanted: Iterable[Part], holds: Callable[[Path], Any]) -> Path:
    """The folder or file in `folder` that is named for the first of these parts; `folder` itself where none is.

    `holds` tells whether one that is named for a part holds what a part does.
    """
    named = {_named_for(path): path for path in sorted(folder.iterdir(), reverse=True)}
    return next((named[part] for part in wanted if part in named and holds(named[part])), folder)


def _named_for(path: Path) -> Part | None:
    return next((part for part, names in _NAMES.items() if path.stem.lower() in names), None)
