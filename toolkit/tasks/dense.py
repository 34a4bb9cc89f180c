"""Dense prediction: one class at each position, int64 (N, L) or (N, H, W)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runtime.errors import InputError
from toolkit.tasks.class_indices import IGNORED, check_class_range
from toolkit.tasks.label_arrays import as_array, places_of, unfit_labels
from toolkit.tasks.protocols import Examples, LossForm
from toolkit.tasks.refusal import batch_text, refuse
from toolkit.tasks.task import Task

__all__ = ["TASK", "DenseTask"]


class DenseTask(Task):
    """One class at each position: targets int64 (N, L) or (N, H, W), `IGNORED` where there is none; outputs (N, L, K) or
    (N, K, H, W). For a loss that aligns them itself, transcripts (N, S) of any length.
    """

    name = "dense"
    losses = ("CrossEntropyLoss", "NLLLoss", "CTCLoss")
    metrics = ("acc", "precision", "recall", "f1", "auroc", "average_precision", "iou", "perplexity")
    default_metrics = ("acc",)
    classes = "exclusive"
    per_position = True
    augmentation_refusal = (
        "The pictures would be moved and changed, but not the classes of their pixels. Train without random transforms."
    )

    def read_targets(self, y: Any, labels: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
        """Whole numbers (N, L) or (N, H, W), or N arrays (L_i,) of different lengths -> int64."""
        targets = _padded(y)
        if targets.ndim not in (2, 3) or targets.dtype.kind not in "iub":
            raise InputError(
                f"The labels are {targets.dtype} of shape {targets.shape}; whole numbers (N, L) or (N, H, W), a class at each "
                f"position, are expected. {IGNORED} counts for nothing."
            )
        values = targets.astype(np.int64)
        real = values[values != IGNORED]
        if real.size == 0:
            raise InputError(
                f"Every position's label is {IGNORED}, which counts for nothing; at least one class is expected."
            )
        present = [str(value) for value in np.unique(real).tolist()]
        if labels and any(name in labels for name in present):  # numbers that are names mean themselves
            names = tuple(map(str, labels))
            return _moved(values, places_of(present, names, "the data"), np.unique(real)), names
        count = len(labels) if labels else int(real.max()) + 1
        if real.min() < 0 or real.max() >= count:
            wrong = values != IGNORED
            wrong &= (values < 0) | (values >= count)
            where = tuple(map(int, np.argwhere(wrong)[0]))
            raise InputError(
                f"The label at position {where} is {values[where]}; 0 to {count - 1}, or {IGNORED} where none counts, is expected."
            )
        return values, tuple(map(str, labels)) if labels else tuple(map(str, range(count)))

    def read_cells(
        self, cells: Sequence[Sequence[str]], columns: Sequence[str], labels: Sequence[str] | None, source: str
    ) -> tuple[Any, tuple[str, ...]]:
        """Refused: the columns of a table are no positions."""
        raise InputError(f"A table has no targets for the task {self.name!r}; it holds classes, labels or values.")

    def targets_by_name(self, targets: Any, names: Sequence[str], wanted: Sequence[str], place: str) -> Any:
        """Positions among the wanted classes, of which some may have no example; `IGNORED` stays."""
        return _moved(targets, places_of(names, wanted, place))

    def fit_steps(self, targets: Any, lengths: Sequence[int], kept: int) -> Any:
        """Classes per step (N, longest) truncated, or padded with `IGNORED`, to (N, kept); transcripts stay as they are.

        What is given for steps behind a sequence's own counts for nothing.
        """
        longest = max(lengths)
        if targets.ndim != 2 or targets.shape[1] != longest:
            return targets
        result = np.full((len(targets), kept), IGNORED, np.int64)
        known = min(kept, longest)
        real = np.arange(known) < np.asarray(lengths)[:, None]  # (N, known)
        result[:, :known] = np.where(real, targets[:, :known], IGNORED)
        return result

    def array_targets(self, values: np.ndarray, labels: Sequence[str], place: Path) -> np.ndarray | None:
        """Whole numbers (N, L) or (N, H, W) -> int64."""
        try:
            found: np.ndarray = values.astype(np.int64)
        except (TypeError, ValueError) as error:
            raise unfit_labels(values, place, "whole numbers, (N, L) or (N, H, W),", self.name) from error
        if found.ndim not in (2, 3):
            raise unfit_labels(values, place, "whole numbers, (N, L) or (N, H, W),", self.name)
        return found

    def describe(self, data: Examples) -> str:
        """The number of classes, and of positions."""
        return f"{len(data.labels)} classes at each of {' x '.join(map(str, data.targets.shape[1:]))} positions"

    def check_targets(self, name: str, loss: LossForm, options: Mapping[str, Any], data: Examples) -> None:
        """Indices among the classes; transcripts without gaps."""
        targets, count = data.targets, len(data.labels)
        if loss.target == "sequences":
            _check_transcripts(name, options, targets, count)
            check_class_range(name, targets[targets >= 0], count)
        else:
            ignored = options.get("ignore_index", IGNORED)
            check_class_range(name, targets[targets != ignored] if loss.target == "classes" else targets, count)

    def check_output(
        self, name: str, loss: LossForm, options: Mapping[str, Any], data: Examples, shape: tuple[int, ...]
    ) -> None:
        """Of transcripts the steps and classes, else one number per class and position."""
        if loss.target == "sequences":
            _check_steps(name, options, data, shape)
        else:
            super().check_output(name, loss, options, data, shape)

    def output_shape(self, loss: LossForm, data: Examples) -> tuple[int, ...] | None:
        """(L, K), or (K, H, W)."""
        places, classes = data.targets.shape[1:], len(data.labels)
        return (*places, classes) if len(places) == 1 else (classes, *places)

    def output_words(self, loss: LossForm, data: Examples) -> str:
        """The number of classes."""
        return f"{len(data.labels)} classes at each position"

    def class_axis(self, axes: int) -> int:
        """The last of a sequence's (N, L, K), else 1."""
        return 2 if axes == 3 else 1

    def answer(self, outputs: Any, name: str, loss: LossForm, options: Mapping[str, Any]) -> Any:
        """The outputs; None for transcripts, which metrics do not compare."""
        return None if loss.target == "sequences" else outputs

    def arrange(self, outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Classes on the last axis; None for outputs that are not aligned with the targets, such as those of transcripts."""
        if outputs.ndim > targets.ndim and self.class_axis(outputs.ndim) == 1:
            outputs = outputs.movedim(1, -1)
        return (outputs, targets) if outputs.shape[: targets.ndim] == targets.shape else None


def _moved(targets: np.ndarray, places: np.ndarray, classes: np.ndarray | None = None) -> np.ndarray:
    """Class indices with each class in another place; `classes` says which ones stand at the positions of `places`, None all in order."""
    indices = (
        targets if classes is None else np.searchsorted(classes, np.where(targets == IGNORED, classes[0], targets))
    )
    return np.where(targets == IGNORED, IGNORED, places[np.where(targets == IGNORED, 0, indices)]).astype(np.int64)


def _padded(y: Any) -> np.ndarray:
    """Rows of different lengths are filled up with `IGNORED`."""
    if not isinstance(y, list | tuple):
        return as_array(y)
    rows = [as_array(row) for row in y]
    if not rows or any(row.ndim != 1 for row in rows) or len({len(row) for row in rows}) == 1:
        return as_array(y)
    if any(row.dtype.kind not in "iub" and row.size for row in rows):
        raise InputError("The labels of a sequence are not whole numbers; a class at each step is expected.")
    padded = np.full((len(rows), max(len(row) for row in rows)), IGNORED, np.int64)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded


def _check_transcripts(name: str, options: Mapping[str, Any], targets: np.ndarray, count: int) -> None:
    blank = options.get("blank", 0)
    if not isinstance(blank, int) or not 0 <= blank <= count:
        raise refuse(name, f"blank={blank!r} was given.", f"A whole number from 0 to {count} is expected.")
    if (targets == blank).any():
        raise refuse(
            name,
            f"class {blank} is the blank, and it occurs in the targets.",
            f"Give a class of its own for it: {{'name': 'CTCLoss', 'blank': {count}}} and {count + 1} outputs a step.",
        )
    known = targets >= 0
    if (known[:, 1:] & ~known[:, :-1]).any() or not known.any(1).all():
        raise refuse(
            name, "a transcript is empty, or has a gap.", f"Classes first, then {IGNORED} to the end, are expected."
        )


def _check_steps(name: str, options: Mapping[str, Any], data: Examples, shape: tuple[int, ...]) -> None:
    """Raise SpecError for outputs of other classes, or of fewer steps than the longest transcript needs."""
    classes, known = len(data.labels), data.targets >= 0
    width = classes + 1 if options.get("blank", 0) == classes else classes
    if len(shape) != 2 or shape[1] != width:
        raise refuse(
            name,
            f"the network gives {batch_text(shape)}.",
            f"(batch, steps, {width}) is expected: {classes} classes{' and the blank' if width > classes else ''}.",
        )
    repeats = (data.targets[:, 1:] == data.targets[:, :-1]) & known[:, 1:]
    longest, needed = int(known.sum(1).max()), int((known.sum(1) + repeats.sum(1)).max())
    if shape[0] < needed and not options.get("zero_infinity"):
        raise refuse(
            name,
            f"the network gives {shape[0]} steps, and a transcript of up to {longest} needs {needed}.",
            "Let the network keep more steps, or give zero_infinity=True to leave such examples out.",
        )


TASK = DenseTask()
