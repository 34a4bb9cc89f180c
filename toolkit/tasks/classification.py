"""Classification: one class per example, int64 (N,)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runtime.errors import InputError
from runtime.preprocess import is_number
from toolkit.tasks.class_indices import check_class_range, class_targets, label_at
from toolkit.tasks.label_arrays import (
    column_names,
    distinct_rows,
    label_array,
    places_of,
    texts_of_bytes,
    unfit_labels,
)
from toolkit.tasks.protocols import Examples, LossForm
from toolkit.tasks.refusal import refuse
from toolkit.tasks.task import Task

__all__ = ["TASK", "ClassificationTask", "are_probabilities"]


class ClassificationTask(Task):
    """One class per example: targets int64 (N,), outputs (N, K)."""

    name = "classification"
    aliases = ("cls",)
    losses = (
        *("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"),
        *("BCELoss", "BCEWithLogitsLoss", "MultiLabelSoftMarginLoss", "SoftMarginLoss", "MultiLabelMarginLoss"),
        *("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "KLDivLoss", "MarginRankingLoss"),
        *("CosineEmbeddingLoss", "HingeEmbeddingLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss"),
    )
    metrics = (
        *("acc", "precision", "recall", "f1", "auroc", "average_precision", "perplexity"),
        *("mae", "mse", "recall_at"),
    )
    default_metrics = ("acc",)
    monitored = "acc"
    classes = "exclusive"
    label_noun = "classes"
    activation = "softmax"
    augmentation_refusal = None
    yields_to = ("dense",)  # a text with its vocabulary, or a mask, implies one class per position

    def read_targets(self, y: Any, labels: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
        """Names or whole numbers (N,) or (N, 1), or one-hot rows (N, K) -> class indices int64 (N,)."""
        targets = label_array(y)
        if targets.ndim == 2 and targets.shape[1] == 1:
            targets = targets[:, 0]
        if targets.ndim == 2:
            several = targets.dtype.kind in "fiub" and np.isin(targets, (0, 1)).all()
            if not several or not (targets.sum(1) == 1).all():
                hint = " For several labels at once use the task 'multilabel'." if several else ""
                raise InputError(
                    f"The labels have the shape {targets.shape}; (N,) class labels or one-hot rows (N, K) are expected.{hint}"
                )
            return targets.argmax(1).astype(np.int64), column_names(labels, targets.shape[1], "one-hot labels")
        if targets.ndim != 1:
            hint = " For one class a position, (N, L) or (N, H, W), use nn('dense')." if targets.ndim == 3 else ""
            raise InputError(f"The labels have the shape {targets.shape}; (N,) is expected.{hint}")
        return class_targets(targets, labels)

    def read_cells(
        self, cells: Sequence[Sequence[str]], columns: Sequence[str], labels: Sequence[str] | None, source: str
    ) -> tuple[np.ndarray, tuple[str, ...]]:
        """One column of class names or whole numbers."""
        name = _one_column(columns)
        texts = [row[0] for row in cells]
        if "" in texts:
            raise InputError(
                f"{source}, row {texts.index('') + 1}, column {name!r}: the label is empty. Mend or remove the row."
            )
        different = list(dict.fromkeys(texts))
        targets, names = class_targets(_class_names(texts, different, f"{source}, column {name!r}"), labels)
        positions = dict(zip(different, targets.tolist(), strict=True))
        return np.fromiter(map(positions.__getitem__, texts), np.int64, len(texts)), names

    def label_columns(
        self,
        columns: Sequence[str],
        names: Callable[[str], np.ndarray],
        numbers: Callable[[Sequence[str]], np.ndarray],
        labels: Sequence[str] | None,
    ) -> tuple[np.ndarray, Sequence[str] | None]:
        """One column, as names."""
        return names(_one_column(columns)), labels

    def targets_by_name(self, targets: Any, names: Sequence[str], wanted: Sequence[str], place: str) -> Any:
        """Positions among the wanted classes, of which some may have no example."""
        return places_of(names, wanted, place)[targets]

    def named_targets(self, names: Sequence[str], labels: Sequence[str], place: Path) -> np.ndarray | None:
        """Names among the labels, or their positions -> int64 (N,)."""
        positions = {label: index for index, label in enumerate(labels)}
        unknown = sorted({name for name in names if name not in positions})
        if not unknown:
            return np.array([positions[name] for name in names], np.int64)
        known = len(labels)
        named = any(
            name in positions for name in names
        )  # a name that is a label means itself, also where it is a number
        if not named and all(name.isdecimal() and (not known or int(name) < known) for name in names):
            return np.array([int(name) for name in names], np.int64)
        listed = ", ".join(labels[:10]) + (", ..." if known > 10 else "")
        raise InputError(
            f"{place} has the label {unknown[0]!r}; the network's labels are {listed}. Give data with the labels that it was "
            f"trained on."
        )

    def array_targets(self, values: np.ndarray, labels: Sequence[str], place: Path) -> np.ndarray | None:
        """Labels (N,) or (N, 1), or one-hot (N, K) of the K labels -> int64 (N,)."""
        try:
            values = texts_of_bytes(values)
            if values.dtype.kind == "f" and np.equal(np.mod(values, 1), 0).all():
                values = values.astype(np.int64)
            if values.ndim == 2 and values.shape[1] > 1:
                one_hot = values.dtype.kind in "iub" and np.isin(values, (0, 1)).all() and (values.sum(1) == 1).all()
                if not one_hot or len(labels) not in (0, values.shape[1]):
                    raise unfit_labels(values, place, "one label a row, (N,) or one-hot (N, K),", self.name)
                one_hot_rows: np.ndarray = values.argmax(1).astype(np.int64)
                return one_hot_rows
            return self.named_targets([str(value) for value in values.reshape(len(values)).tolist()], labels, place)
        except (TypeError, ValueError) as error:
            raise unfit_labels(values, place, "one label a row, (N,) or one-hot (N, K),", self.name) from error

    def describe(self, data: Examples) -> str:
        """The number of classes."""
        return f"{len(data.labels)} classes"

    def sheet_groups(self, data: Examples) -> dict[str, np.ndarray]:
        """One group per class."""
        return {name: np.flatnonzero(data.targets == index) for index, name in enumerate(data.labels)}

    def caption(self, data: Examples, index: int) -> str:
        """The name of the class."""
        return data.labels[int(data.targets[index])]

    def read_row(
        self, numbers: np.ndarray, labels: Sequence[str], probabilities: bool | None = None
    ) -> tuple[Any, Any]:
        """(The most probable class, its probability); a row of another width than the labels is a vector."""
        if len(labels) not in (0, len(numbers)):
            return super().read_row(numbers, labels)
        index = int(numbers.argmax())
        if probabilities is None:
            probabilities = bool(numbers.min() >= 0 and numbers.max() <= 1)
        return label_at(labels, index), float((numbers if probabilities else _softmax(numbers))[index])

    def strata(self, data: Examples) -> np.ndarray:
        """The classes."""
        return distinct_rows(data.targets)

    def check_targets(self, name: str, loss: LossForm, options: Mapping[str, Any], data: Examples) -> None:
        """At least two classes, and indices among them."""
        count = len(data.labels)
        if count < 2:
            raise refuse(
                name,
                f"the data has one class alone, {data.labels[0]!r}." if count else "the data has no classes.",
                "At least two are expected, to be told apart.",
            )
        check_class_range(name, data.targets, count)

    def output_shape(self, loss: LossForm, data: Examples) -> tuple[int, ...] | None:
        """One number per class."""
        return (len(data.labels),)

    def output_words(self, loss: LossForm, data: Examples) -> str:
        """The number of classes."""
        return f"{len(data.labels)} classes"

    def output_task(self, loss: LossForm) -> str:
        """An embedding where vectors are compared."""
        return "embedding" if loss.output == "vectors" else self.name

    def metric_values(self, outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Probabilities and one-hot targets, float32 (N, K) each."""
        outputs = outputs if are_probabilities(outputs) else outputs.softmax(1)
        if not targets.is_floating_point():
            targets = torch.nn.functional.one_hot(targets, outputs.shape[1]).float()
        return outputs, targets


def are_probabilities(scores: torch.Tensor) -> bool:
    """True if scores (M, K) are probabilities of exclusive classes rather than logits."""
    return bool((scores >= 0).all()) and torch.allclose(scores.sum(1), torch.ones(len(scores)), atol=1e-3)


def _softmax(numbers: np.ndarray) -> np.ndarray:
    """Logits, or logarithms of probabilities, (K,) -> probabilities."""
    grown = np.exp(numbers - numbers.max())
    return np.asarray(grown / grown.sum())


def _one_column(columns: Sequence[str]) -> str:
    """The label column. Raises InputError where several were named."""
    if len(columns) != 1:
        raise InputError(
            f"{len(columns)} label columns were named for a classification ({', '.join(columns)}); one is expected. For several "
            f"labels at once use the task 'multilabel'."
        )
    return columns[0]


def _class_names(texts: list[str], different: list[str], where: str) -> list[str]:
    """The different class labels as text, '0.0' (as many programs save it) read as '0'. Raises InputError for non-integer numbers."""
    if not all(map(is_number, different)):
        return different
    for text in different:
        if not math.isfinite(float(text)):
            raise InputError(f"{where}, row {texts.index(text) + 1}: the label is {text!r}. Mend or remove the row.")
        if not float(text).is_integer():
            raise InputError(
                f"{where}, row {texts.index(text) + 1}: the label is {text}; a whole number or a name is expected. For values use the "
                f"task 'reg'."
            )
    return [str(int(float(text))) for text in different]


TASK = ClassificationTask()
