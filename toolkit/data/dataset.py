"""A data set: prepared inputs, targets, and the card's input that says how the inputs were prepared."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from runtime.card import InputCard
from runtime.errors import InputError
from toolkit.data.stores import Store

__all__ = ["Dataset", "Task", "class_targets"]

Task: TypeAlias = Literal["classification", "regression"]


@dataclass(frozen=True)
class Dataset:
    """N examples.

    Attributes:
        task: what the targets are for.
        card: how an input is prepared; it travels into the checkpoint and the ONNX file.
        inputs: N prepared inputs.
        targets: int64 (N,) class indices, or float32 (N, T) values.
        labels: class names in the order of the indices, or the names of the T values.
        source: where it came from.
    """

    task: Task
    card: InputCard
    inputs: Store
    targets: np.ndarray
    labels: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one prepared input."""
        return tuple(int(length or 0) for length in self.card.shape)

    def fingerprint(self) -> str:
        """SHA-256 of the targets and, where they are in memory, the inputs."""
        digest = hashlib.sha256(np.ascontiguousarray(self.targets).tobytes())
        raw = self.inputs.raw()
        if raw is not None:
            digest.update(np.ascontiguousarray(raw).data.cast("B"))
        return digest.hexdigest()

    def describe(self) -> str:
        """One line: how many of what."""
        shape = " x ".join(map(str, self.shape))
        what = f"{len(self.labels)} classes" if self.task == "classification" else f"targets {', '.join(self.labels)}"
        return f"{len(self):,} examples of shape {shape}, {what}"


def class_targets(
    values: Sequence[str] | np.ndarray, labels: Sequence[str] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class names or numbers (N,) -> (indices int64 (N,), labels). Whole numbers are ordered as numbers, names as text.

    Args:
        values: one a row.
        labels: names for the sorted classes; None names them after themselves.

    Raises:
        InputError: another number of labels than of classes.
    """
    array = np.asarray(values)
    if array.dtype.kind in "fiub" and array.size and not np.equal(np.mod(array, 1), 0).all():
        bad = array[np.mod(array, 1) != 0][0]
        raise InputError(
            f"The label {bad} is not a whole number; class labels are whole numbers or names. For values use nn('reg')."
        )
    if array.dtype.kind in "fub":
        array = array.astype(np.int64)
    elif array.dtype.kind != "i" and all(str(value).removeprefix("-").isdecimal() for value in array.tolist()):
        array = np.array([int(value) for value in array.tolist()], np.int64)
    try:
        classes, indices = np.unique(array, return_inverse=True)
    except TypeError as error:
        raise InputError("The labels are of several kinds; give whole numbers or names, one a row.") from error
    if labels is None:
        return indices.reshape(-1).astype(np.int64), tuple(str(value) for value in classes.tolist())
    names = tuple(map(str, labels))
    if array.dtype.kind == "i" and array.size and array.min() >= 0 and array.max() < len(names):
        # numbers already are indices into the labels, also when a class has no example here
        return array.reshape(-1).astype(np.int64), names
    if len(names) != len(classes):
        raise InputError(
            f"{len(names)} class names were given ({', '.join(names)}); the data has {len(classes)} classes."
        )
    return indices.reshape(-1).astype(np.int64), names
