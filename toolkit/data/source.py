"""`--data PATH`: detect the kind of a data source, and open it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from runtime.card import ImageInput
from runtime.errors import InputError
from runtime.preprocess import is_number, read_lines, read_table
from runtime.preprocess.sources import text_files
from toolkit.data.apply_card import apply_card
from toolkit.data.dataset import Dataset
from toolkit.data.readers.idx import find_idx, load_idx
from toolkit.data.readers.images import class_folders, load_images
from toolkit.data.readers.npz import load_npz
from toolkit.data.readers.tables import load_csv
from toolkit.data.readers.text import load_text_folder, load_text_table, load_texts
from toolkit.tasks.registry import DEFAULT_TASK, find_task

__all__ = ["Source", "open_source"]

_TRAIN_NAMES = ("train", "training", "training_set", "train_set")
_VALIDATION_NAMES = ("val", "valid", "validation", "val_set", "validation_set")
_TEST_NAMES = ("test", "testing", "test_set")


@dataclass(frozen=True)
class Source:
    """Opened data source: a training part, and where the source has them, validation and test parts."""

    train: Dataset
    validation: Dataset | None = None
    test: Dataset | None = None


def open_source(
    path: str | os.PathLike[str],
    *,
    task: str = DEFAULT_TASK,
    color: Literal["RGB", "grayscale"] = "RGB",
    size: tuple[int, int] | None = None,
    card: ImageInput | None = None,
    label: str | Sequence[str] | None = None,
    scale: bool = True,
    level: Literal["character", "word"] = "character",
    length: int | None = None,
    text_options: Mapping[str, Any] | None = None,
    workers: int | None = None,
) -> Source:
    """Open a data source; its kind follows from the files at `path`.

    - a folder with idx files (MNIST): the ``t10k`` files are the test part;
    - a folder with one sub-folder per class; or with ``train`` (and ``val``, ``test``) folders of that kind;
    - a folder of ``.txt`` files, one class per file, one text per line;
    - a ``.csv`` or ``.tsv`` table of numbers with the label in its last column, or with a column named ``text``;
    - an ``.npz`` file with ``data`` and ``label``;
    - for the task "dense" a ``.txt`` file, one text per line, for next-token prediction.

    Args:
        path: the file or folder.
        task: what the labels are for.
        color, size, card, workers: for pictures; see `load_images`.
        label, scale: for tables; see `load_csv`.
        level, length, text_options: for texts; the options are further ones of `load_texts`.

    Raises:
        InputError: the path does not exist or holds none of these.
    """
    texts: dict[str, Any] = {"task": task, "level": level, "length": length, **(text_options or {})}
    place = Path(path)
    if not place.exists():
        raise InputError(f"{place} does not exist. Check the path; it is looked up from {Path.cwd()}.")
    if place.is_file():
        suffix = place.suffix.lower()
        if suffix in (".csv", ".tsv", ".tab"):
            if _holds_texts(place, label):
                return Source(load_text_table(place, label=label, **texts))
            return Source(load_csv(place, task=task, label=label, scale=scale))
        if suffix == ".npz":
            return Source(apply_card(load_npz(place, **texts), card))
        if suffix == ".txt" and find_task(task).per_position:
            return Source(load_texts(read_lines(place), source=str(place), **texts))
        raise InputError(
            f"{place} is a {place.suffix or 'file without suffix'}; a .csv, .tsv or .npz file or a folder is expected."
        )
    if find_idx(place, "train"):
        whole = apply_card(load_idx(place, "train"), card)
        if not find_idx(place, "test"):
            return Source(whole)
        return Source(whole, test=_as_trained(apply_card(load_idx(place, "test"), card), whole))
    train = _child(place, _TRAIN_NAMES)
    if train is None:
        if text_files(place) and not class_folders(place):
            return Source(load_text_folder(place, **texts))
        return Source(load_images(place, color=color, size=size, card=card, workers=workers))
    first = load_images(train, color=color, size=size, card=card, workers=workers)
    return Source(first, _part(place, _VALIDATION_NAMES, first), _part(place, _TEST_NAMES, first))


def _holds_texts(path: Path, label: str | Sequence[str] | None) -> bool:
    """True for a table with a column named ``text`` that is not the label and holds more than numbers."""
    header, rows = read_table(path)
    if "text" not in header or "text" in (
        (label,) if isinstance(label, str) else label or (header[-1],) * (len(header) != 2)
    ):
        return False
    position = header.index("text")
    return any(not is_number(row[position]) for row in rows)


def _as_trained(part: Dataset, train: Dataset) -> Dataset:
    """A further part with its targets mapped to the training part's class indices; it may lack some classes."""
    unknown = [name for name in part.labels if name not in train.labels]
    if unknown or part.shape != train.shape:
        raise InputError(
            f"The test part of {part.source} is {part.describe()} ({', '.join(part.labels)}); the training part is "
            f"{train.describe()} ({', '.join(train.labels)})."
        )
    positions = np.array([train.labels.index(name) for name in part.labels], np.int64)
    return replace(part, targets=positions[part.targets], labels=train.labels)


def _child(folder: Path, names: tuple[str, ...]) -> Path | None:
    children = {child.name.lower(): child for child in folder.iterdir() if child.is_dir()}
    found = next((children[name] for name in names if name in children), None)
    return found if found is not None and class_folders(found) else None


def _part(folder: Path, names: tuple[str, ...], train: Dataset) -> Dataset | None:
    """Load a further part with the training part's pre-processing and classes."""
    child = _child(folder, names)
    if child is None:
        return None
    assert train.pictures is not None
    part = load_images(child, card=train.pictures[1])
    if part.labels != train.labels:
        raise InputError(
            f"{child} has the classes {', '.join(part.labels)}; the training part has {', '.join(train.labels)}."
        )
    return part
