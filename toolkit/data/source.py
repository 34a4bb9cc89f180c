"""`--data PATH`: find out what lies there, and open it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from runtime.errors import InputError
from toolkit.data.arrays import load_npz
from toolkit.data.dataset import Dataset, Task
from toolkit.data.idx import find_idx, load_idx
from toolkit.data.images import class_folders, load_images
from toolkit.data.tables import load_csv

__all__ = ["Source", "open_source"]

_TRAIN_NAMES = ("train", "training", "training_set", "train_set")
_VALIDATION_NAMES = ("val", "valid", "validation", "val_set", "validation_set")
_TEST_NAMES = ("test", "testing", "test_set")


@dataclass(frozen=True)
class Source:
    """What a path holds: a part to train on, and where the source brings them, parts to validate and to test on."""

    train: Dataset
    validation: Dataset | None = None
    test: Dataset | None = None


def open_source(
    path: str | os.PathLike[str],
    *,
    task: Task = "classification",
    color: Literal["RGB", "grayscale"] = "RGB",
    size: tuple[int, int] | None = None,
    workers: int | None = None,
) -> Source:
    """Open a data source by what lies at `path`.

    - a folder with idx files (MNIST): the ``t10k`` files are the test part;
    - a folder with one sub-folder a class; or with ``train`` (and ``val``, ``test``) folders of that kind;
    - a ``.csv`` table with the label in its last column; an ``.npz`` file with ``data`` and ``label``.

    Raises:
        InputError: the path does not exist or holds none of these.
    """
    place = Path(path)
    if not place.exists():
        raise InputError(f"{place} does not exist. Check the path; it is looked up from {Path.cwd()}.")
    if place.is_file():
        if place.suffix.lower() == ".csv":
            return Source(load_csv(place, task=task))
        if place.suffix.lower() == ".npz":
            return Source(load_npz(place, task=task))
        raise InputError(
            f"{place} is a {place.suffix or 'file without suffix'}; a .csv or .npz file or a folder is expected."
        )
    if find_idx(place, "train"):
        whole = load_idx(place, "train")
        return Source(whole, test=_as_trained(load_idx(place, "test"), whole) if find_idx(place, "test") else None)
    train = _child(place, _TRAIN_NAMES)
    if train is None:
        return Source(load_images(place, color=color, size=size, workers=workers))
    first = load_images(train, color=color, size=size, workers=workers)
    return Source(first, _part(place, _VALIDATION_NAMES, first), _part(place, _TEST_NAMES, first))


def _as_trained(part: Dataset, train: Dataset) -> Dataset:
    """A part with the indices of the training part's classes; a small one may lack some of them."""
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
    """A further part, prepared as the training part is, with the same classes."""
    from runtime.card import ImageInput

    child = _child(folder, names)
    if child is None:
        return None
    assert isinstance(train.card, ImageInput)
    part = load_images(child, card=train.card)
    if part.labels != train.labels:
        raise InputError(
            f"{child} has the classes {', '.join(part.labels)}; the training part has {', '.join(train.labels)}."
        )
    return part
