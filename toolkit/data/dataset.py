"""A data set: prepared inputs, targets, and the card's input that says how the inputs were prepared."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from runtime.card import ImageInput, InputCard, image_inputs
from runtime.errors import InputError, suggest
from toolkit.data.ragged_targets import as_targets
from toolkit.data.stores import PictureStore, Store
from toolkit.tasks.registry import find_task, task_names

__all__ = ["Dataset", "input_dtype"]


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
            others: arrays (N, ...), or `RaggedTargets` where their lengths differ.
        labels: class names in the order of the indices, or the names of the T values; empty for an embedding.
        source: where it came from.
        views: inputs of one example: 1; 2 for pairs; 3 for triplets (anchor, positive, negative).
        further: cards of further inputs of an example, where the network takes several; `inputs` then gives a tuple.
    """

    task: str
    card: InputCard
    inputs: Store
    targets: Any
    labels: tuple[str, ...]
    source: str
    views: int = 1
    further: tuple[InputCard, ...] = ()

    def __post_init__(self) -> None:
        if self.task not in task_names():
            raise InputError(f"The task {self.task!r} was given.{suggest(str(self.task), task_names())}")
        if len(self.inputs) != len(self.targets):
            raise InputError(
                f"There are {len(self.inputs)} inputs, but {len(self.targets)} labels; one for each is expected."
            )

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def cards(self) -> tuple[InputCard, ...]:
        """One card an input of the network, in the order of its arguments."""
        return (self.card, *self.further)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one prepared input, without the views."""
        return tuple(int(length or 0) for length in self.card.shape)

    @property
    def dtype(self) -> Literal["float32", "int64"]:
        """Dtype of the prepared inputs: int64 for tokens, else float32."""
        return input_dtype(self.card)

    @property
    def padding(self) -> int | None:
        """The padding token, or None."""
        return self.card.padding

    @property
    def vocabulary(self) -> int | None:
        """Vocabulary size; None where the inputs are not texts."""
        return len(self.card.tokens) or None

    @property
    def pictures(self) -> tuple[PictureStore, ImageInput] | None:
        """The pictures and how they are prepared; None where the inputs are no pictures, or are kept without their pixels."""
        card = image_inputs([self.card]).get(0)
        return None if card is None or not isinstance(self.inputs, PictureStore) else (self.inputs, card)

    def fingerprint(self) -> str:
        """SHA-256 of the targets and, where they are in memory, the inputs."""
        digest = hashlib.sha256(as_targets(self.targets).digest())
        raw = self.inputs.raw()
        if raw is not None:
            digest.update(np.ascontiguousarray(raw).data.cast("B"))
        return digest.hexdigest()

    def describe(self) -> str:
        """One-line description: number and kind of examples, classes or values."""
        shape = " x ".join(map(str, self.shape))
        what = find_task(self.task).describe(self)
        return f"{len(self):,} examples of shape {shape}, {what}"


def input_dtype(card: InputCard) -> Literal["float32", "int64"]:
    """Dtype of prepared inputs: int64 for tokens, else float32."""
    return "int64" if card.dtype == "int64" else "float32"
