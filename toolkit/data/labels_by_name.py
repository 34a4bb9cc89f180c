"""Data sets whose classes or values go by name: the parts of a source, and data for a network that has its classes already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from toolkit.data.dataset import Dataset
from toolkit.tasks.given_names import place_of_each
from toolkit.tasks.registry import find_task

__all__ = ["fits_labels", "relabelled", "with_labels"]


def with_labels(data: Dataset, labels: Sequence[str]) -> Dataset:
    """The data set with these classes or values, its targets by their names; of classes it may lack some.

    Raises:
        InputError: it has others.
    """
    if data.labels == tuple(labels):
        return data
    targets = find_task(data.task).targets_by_name(data.targets, data.labels, labels, data.source)
    return replace(data, targets=targets, labels=tuple(labels))


def fits_labels(data: Dataset, labels: Sequence[str]) -> bool:
    """True if every class or value of the data set is among the labels."""
    return bool(data.labels) and set(data.labels) <= set(labels)


def relabelled(parts: Sequence[Dataset], labels: Sequence[str]) -> list[Dataset]:
    """Parts of one source, each with the names that its own files give, with the given labels: by name, or as new names.

    Raises:
        InputError: the labels are not those of the parts, nor new ones (`place_of_each`).
    """
    found = list(dict.fromkeys(name for part in parts for name in part.labels))
    numbers = all(name.removeprefix("-").isdecimal() for name in found)
    found.sort(key=int if numbers else str)
    given = f"{len(labels)} class names were given ({', '.join(labels)})"
    has = f"{parts[0].source} has {len(found)} classes: {', '.join(found)}"
    order = list(map(str, labels))
    for name, place in zip(found, place_of_each(found, order, given, has), strict=True):
        order[place] = name
    return [replace(with_labels(part, order), labels=tuple(map(str, labels))) for part in parts]
