"""Multi-label classification: several labels at once, float32 (N, K) of 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runtime.errors import InputError, suggest
from runtime.preprocess import is_number
from toolkit.tasks.class_indices import label_at
from toolkit.tasks.label_arrays import as_array, column_names, columns_by_name, distinct_rows, unfit_labels
from toolkit.tasks.protocols import Examples, LossForm
from toolkit.tasks.refusal import refuse
from toolkit.tasks.task import Task

__all__ = ["TASK", "MultilabelTask"]


class MultilabelTask(Task):
    """Several labels at once: targets float32 (N, K) of 0 and 1, outputs (N, K)."""

    name = "multilabel"
    answered = "probabilities"
    losses = (
        *("BCELoss", "BCEWithLogitsLoss", "MultiLabelSoftMarginLoss", "SoftMarginLoss", "MultiLabelMarginLoss"),
        *("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss"),
    )
    metrics = ("acc", "precision", "recall", "f1", "auroc", "average_precision")
    default_metrics = ("acc", "f1")
    classes = "separate"
    label_noun = "classes"
    activation = "sigmoid"
    augmentation_refusal = None

    def read_targets(self, y: Any, labels: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
        """Rows (N, K) of 0 and 1, or a list of N lists of names -> float32 (N, K)."""
        if isinstance(y, list | tuple) and y and all(isinstance(row, list | tuple | set | frozenset) for row in y):
            y = [[name.decode() if isinstance(name, bytes) else name for name in row] for row in y]
            found = [name for row in y for name in row]
            if found and all(isinstance(name, str) for name in found):
                return _named_labels([set(row) for row in y], labels)
        targets = as_array(y)
        if targets.ndim == 1:
            targets = targets[:, None]
        if targets.ndim != 2 or targets.dtype.kind not in "fiub" or not np.isin(targets, (0, 1)).all():
            raise InputError(
                f"The labels are {targets.dtype} of shape {targets.shape}; rows (N, K) of 0 and 1, or a list of names for each row, "
                f"are expected for several labels at once."
            )
        return targets.astype(np.float32), column_names(labels, targets.shape[1], "labels")

    def read_cells(
        self, cells: Sequence[Sequence[str]], columns: Sequence[str], labels: Sequence[str] | None, source: str
    ) -> tuple[Any, tuple[str, ...]]:
        """One column of 0 and 1 per label."""
        _check_flags(cells, columns, source)
        return super().read_cells(cells, columns, labels, source)

    def targets_by_name(self, targets: Any, names: Sequence[str], wanted: Sequence[str], place: str) -> Any:
        """The columns in the order of the wanted names."""
        return columns_by_name(targets, names, wanted, place)

    def array_targets(self, values: np.ndarray, labels: Sequence[str], place: Path) -> np.ndarray | None:
        """Rows of 0 and 1 -> float32 (N, K)."""
        try:
            found = values.astype(np.float32).reshape(len(values), -1)
        except (TypeError, ValueError) as error:
            raise unfit_labels(values, place, "0 and 1, (N, K),", self.name) from error
        if labels and found.shape[1] != len(labels):
            raise unfit_labels(values, place, "0 and 1, (N, K),", self.name)
        return found

    def describe(self, data: Examples) -> str:
        """The number of labels."""
        return f"{len(data.labels)} labels"

    def sheet_groups(self, data: Examples) -> dict[str, np.ndarray]:
        """One group per label."""
        return {name: np.flatnonzero(data.targets[:, index] > 0) for index, name in enumerate(data.labels)}

    def caption(self, data: Examples, index: int) -> str:
        """The labels that hold."""
        return ", ".join(name for name, holds in zip(data.labels, data.targets[index] > 0, strict=False) if holds)

    def read_row(
        self, numbers: np.ndarray, labels: Sequence[str], probabilities: bool | None = None
    ) -> tuple[Any, Any]:
        """(The labels above one half, their probabilities)."""
        chosen = [index for index, number in enumerate(numbers) if number > 0.5]
        return [label_at(labels, index) for index in chosen], [float(numbers[index]) for index in chosen]

    def strata(self, data: Examples) -> np.ndarray:
        """The sets of labels."""
        return distinct_rows(data.targets)

    def default_loss(self, views: int = 1) -> str:
        """Binary cross-entropy from logits."""
        return "BCEWithLogitsLoss"

    def check_targets(self, name: str, loss: LossForm, options: Mapping[str, Any], data: Examples) -> None:
        """Only 0 and 1."""
        if not np.isin(data.targets, (0, 1)).all():
            wrong = data.targets[~np.isin(data.targets, (0, 1))][0]
            raise refuse(name, f"a label is {wrong:g}.", "Labels that hold are 1, others 0.")

    def output_shape(self, loss: LossForm, data: Examples) -> tuple[int, ...] | None:
        """One number per label."""
        return (len(data.labels),)

    def balanced_weights(self, targets: torch.Tensor, count: int) -> torch.Tensor:
        """(N - n) / n for the presence of a label that n of N examples have."""
        present = targets.sum(0).clamp(min=1)
        return ((len(targets) - present) / present).float()

    def answer(self, outputs: Any, name: str, loss: LossForm, options: Mapping[str, Any]) -> Any:
        """Probabilities of the labels."""
        return torch.sigmoid(outputs) if loss.output == "logits" else outputs.clamp(0, 1)


def _named_labels(rows: list[set[str]], labels: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    names = tuple(map(str, labels)) if labels else tuple(sorted(set().union(*rows)))
    for number, row in enumerate(rows, start=1):
        unknown = sorted(row - set(names))
        if unknown:
            raise InputError(f"Row {number} has the label {unknown[0]!r}.{suggest(unknown[0], names)}")
    values = np.array([[name in row for name in names] for row in rows], np.float32)
    return values, names


def _check_flags(cells: Sequence[Sequence[str]], columns: Sequence[str], source: str) -> None:
    """Raise InputError for names in a label column (a common mistake): each label is a column of 0 and 1."""
    for position, name in enumerate(columns):
        column = [row[position] for row in cells]
        row = next((number for number, cell in enumerate(column, start=1) if cell and not is_number(cell)), None)
        if row is not None:
            raise InputError(
                f"{source}, row {row}, column {name!r}: the cell is {column[row - 1]!r}; 0 or 1 is expected. Give each label a column "
                f"of 0 and 1, and name these columns as label, such as ['sunny', 'warm']."
            )


TASK = MultilabelTask()
