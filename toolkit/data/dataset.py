"""A data set: prepared inputs, targets, and the card's input that says how the inputs were prepared."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from runtime.card import ArrayInput, InputCard, TextInput
from runtime.errors import InputError, suggest
from toolkit.data.stores import Store

__all__ = ["IGNORED", "TASKS", "Dataset", "Task", "class_targets"]

Task: TypeAlias = Literal["classification", "multilabel", "regression", "dense", "embedding"]
TASKS: tuple[str, ...] = get_args(Task)

IGNORED = -100
"""The target of a position that counts for nothing, as PyTorch's losses have it."""


@dataclass(frozen=True)
class Dataset:
    """N examples.

    Attributes:
        task: what the targets are for.
        card: pre-processing of an input; also stored in the checkpoint and the ONNX file.
        inputs: N prepared inputs of `shape`; (views, *shape) where there are several views.
        targets: by task:
            classification: int64 (N,) class indices;
            multilabel: float32 (N, K) of 0 and 1;
            regression: float32 (N, T) values;
            dense: int64 (N, L) or (N, H, W), a class at each position, `IGNORED` where there is none;
            embedding: float32 (N,), +1 for pairs that are alike and -1 for others; zeros for triplets.
        labels: class names in the order of the indices, or the names of the T values; empty for an embedding.
        source: where it came from.
        views: inputs of one example: 1; 2 for pairs; 3 for triplets (anchor, positive, negative).
    """

    task: Task
    card: InputCard
    inputs: Store
    targets: np.ndarray
    labels: tuple[str, ...]
    source: str
    views: int = 1

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise InputError(f"The task {self.task!r} was given.{suggest(str(self.task), TASKS)}")
        if len(self.inputs) != len(self.targets):
            raise InputError(
                f"There are {len(self.inputs)} inputs, but {len(self.targets)} labels; one for each is expected."
            )

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one prepared input, without the views."""
        return tuple(int(length or 0) for length in self.card.shape)

    @property
    def dtype(self) -> Literal["float32", "int64"]:
        """Dtype of the prepared inputs: int64 for tokens, else float32."""
        tokens = isinstance(self.card, TextInput) or (isinstance(self.card, ArrayInput) and self.card.dtype == "int64")
        return "int64" if tokens else "float32"

    @property
    def padding(self) -> int | None:
        """The padding token, or None."""
        return self.card.padding if isinstance(self.card, TextInput) else None

    @property
    def vocabulary(self) -> int | None:
        """Vocabulary size; None where the inputs are not texts."""
        return len(self.card.vocabulary) if isinstance(self.card, TextInput) else None

    def fingerprint(self) -> str:
        """SHA-256 of the targets and, where they are in memory, the inputs."""
        digest = hashlib.sha256(np.ascontiguousarray(self.targets).tobytes())
        raw = self.inputs.raw()
        if raw is not None:
            digest.update(np.ascontiguousarray(raw).data.cast("B"))
        return digest.hexdigest()

    def describe(self) -> str:
        """One-line description: number and kind of examples, classes or values."""
        shape = " x ".join(map(str, self.shape))
        if self.task == "regression":
            what = f"targets {', '.join(self.labels)}"
        elif self.task == "embedding":
            what = {2: "in pairs", 3: "in triplets"}.get(self.views, f"{self.views} views each")
        elif self.task == "dense":
            what = f"{len(self.labels)} classes at each of {' x '.join(map(str, self.targets.shape[1:]))} positions"
        else:
            what = f"{len(self.labels)} {'classes' if self.task == 'classification' else 'labels'}"
        return f"{len(self):,} examples of shape {shape}, {what}"


def class_targets(
    values: Sequence[str] | np.ndarray, labels: Sequence[str] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class names or numbers (N,) -> (indices int64 (N,), labels). Whole numbers are ordered as numbers, names as text.

    Args:
        values: one per row.
        labels: names for the sorted classes; None names them after themselves.

    Raises:
        InputError: another number of labels than of classes, or a label is missing (None, NaN) or infinite.
    """
    _refuse_missing(values)
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


def _refuse_missing(values: Sequence[str] | np.ndarray) -> None:
    """Raise InputError for missing or infinite labels, which NumPy would turn into classes named 'None' or 'nan'."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iubUS":
        return
    for row, value in enumerate(values, start=1):
        if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
            raise InputError(
                f"The label of row {row} is {value}; a whole number or a name is expected. Mend or remove the row."
            )
