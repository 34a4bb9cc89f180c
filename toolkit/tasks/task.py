"""Base class of a task: everything optional has a default, so that a new one says only what is its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from runtime.errors import InputError
from runtime.preprocess import table_rows
from runtime.results import task_names as decoded_tasks
from toolkit.tasks.class_indices import balanced_class_weights
from toolkit.tasks.label_arrays import columns_in_order, label_array, other_names
from toolkit.tasks.protocols import Examples, LossForm, Meter
from toolkit.tasks.refusal import batch_text, refuse

__all__ = ["OBJECTIVE", "Task"]

OBJECTIVE = "objective"
"""Name of a task's own loss function among the settings of a training."""


class Task:
    """What the targets of a data set mean, from reading them to what an answer says.

    A subclass has a `name`; `register_task` makes an instance known. Losses are named as in `LOSSES`, metrics as in `METRICS`.

    Attributes:
        name: as data sets have it.
        aliases: further names that users may type; the first is the short one.
        losses: named losses that fit.
        metrics: metrics that fit.
        default_metrics: metrics measured where none are named.
        ignored_metrics: names left out without an error where other metrics remain.
        monitored: metric of the last evaluation that selects the best epoch, before the loss; None takes the loss alone.
        loss_function: (outputs, targets) -> scalar, the default loss of a task without named losses.
        classes: "exclusive" for one class per example or position, "separate" where each label may hold by itself (its
            outputs are one probability per label), None without classes.
        per_position: True for one class at each position of the input, `IGNORED` where there is none.
        answered: role of the output that `answer` gives where the network's plain output may be something else, such as
            logarithms; None where the plain output is the answer.
        label_noun: what the outputs (batch, labels) of a network are, in messages; None where they have another form.
        activation: activation that a named network ends in.
        augmentation_refusal: why pictures cannot be changed at random in training; None where the targets stay right.
        scales_targets: True if targets are numbers (N, T) that a training may scale, with outputs scaled back in the network.
        yields_to: tasks of data sets that a network of this task takes over.
    """

    name: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()
    losses: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[str, ...]] = ()
    default_metrics: ClassVar[tuple[str, ...]] = ()
    ignored_metrics: ClassVar[tuple[str, ...]] = ()
    monitored: ClassVar[str | None] = None
    loss_function: Callable[[Any, Any], torch.Tensor] | None = None
    classes: ClassVar[Literal["exclusive", "separate"] | None] = None
    per_position: ClassVar[bool] = False
    answered: ClassVar[str | None] = None
    label_noun: ClassVar[str | None] = None
    activation: ClassVar[str | None] = None
    augmentation_refusal: ClassVar[str | None] = (
        "The pictures would be moved and changed, but not their targets. Train without random transforms."
    )
    scales_targets: ClassVar[bool] = False
    yields_to: ClassVar[tuple[str, ...]] = ()

    @property
    def card_task(self) -> str:
        """Task on the model card: its own name where `runtime.results` has a decoder for it; else "raw", outputs as they are."""
        return self.name if self.name in decoded_tasks() else "raw"

    @property
    def one_class(self) -> bool:
        """True if each target is the index of one class, int64 (N,): to be drawn equally often, mixed, and counted in a
        confusion matrix."""
        return self.classes == "exclusive" and not self.per_position

    # ---- reading targets ------------------------------------------------------------------------------------------

    def read_targets(self, y: Any, labels: Sequence[str] | None) -> tuple[Any, tuple[str, ...]]:
        """Labels or values, one entry per example -> (targets as the data set has them, names of the classes or values).

        Raises:
            InputError: the shape, the kind or a value does not fit, or there is another number of names.
        """
        targets = label_array(y)
        if targets.dtype.kind not in "fiub":
            raise InputError(
                f"The targets are {targets.dtype} of shape {targets.shape}; numbers (N, ...) are expected for {self.name}."
            )
        return targets, tuple(map(str, labels or ()))

    def read_cells(
        self, cells: Sequence[Sequence[str]], columns: Sequence[str], labels: Sequence[str] | None, source: str
    ) -> tuple[Any, tuple[str, ...]]:
        """Text cells (N, C) of a table's label columns -> targets and names, as `read_targets`.

        Raises:
            InputError: a cell is empty or does not fit; the message names row and column.
        """
        order, names = columns_in_order(columns, labels, source)
        # the header's own names, so that an error names the column
        return self.read_targets(table_rows(cells, columns, source)[:, order], names)

    def label_columns(
        self,
        columns: Sequence[str],
        names: Callable[[str], np.ndarray],
        numbers: Callable[[Sequence[str]], np.ndarray],
        labels: Sequence[str] | None,
    ) -> tuple[np.ndarray, Sequence[str] | None]:
        """Label columns of a data frame -> (what `read_targets` takes, labels).

        Args:
            columns: the names of the label columns.
            names: reads one column as class names (N,).
            numbers: reads columns as numbers (N, C).
            labels: names of the classes or values, in the order of the targets; None takes those of the columns.
        """
        order, found = columns_in_order(columns, labels, "The data frame")
        return numbers([columns[position] for position in order]), found

    def targets_by_name(self, targets: Any, names: Sequence[str], wanted: Sequence[str], place: str) -> Any:
        """Targets with the classes or values `names` -> the same targets with those of `wanted`, each by its name.

        Args:
            targets: as `read_targets` gives them.
            names: their classes or values, in order.
            wanted: those of the result, such as a training's; of classes further ones may be among them.
            place: where the targets are from, for messages.

        Raises:
            InputError: one of the names is not wanted, or a value that is wanted is missing.
        """
        if tuple(names) == tuple(wanted):
            return targets
        raise other_names(names, wanted, place)

    def fit_steps(self, targets: Any, lengths: Sequence[int], kept: int) -> Any:
        """Targets of N sequences of these lengths that were all brought to `kept` steps."""
        return targets

    def named_targets(self, names: Sequence[str], labels: Sequence[str], place: Path) -> np.ndarray | None:
        """Class names, or positions of classes as texts -> targets by a card's labels; None for a task without classes.

        Raises:
            InputError: a name is not among the labels.
        """
        return None

    def array_targets(self, values: np.ndarray, labels: Sequence[str], place: Path) -> np.ndarray | None:
        """An array of labels or values from outside -> targets by a card's labels; None for a task without.

        Raises:
            InputError: another shape or kind than the task's.
        """
        return None

    # ---- describing -----------------------------------------------------------------------------------------------

    def describe(self, data: Examples) -> str:
        """The targets in words: "10 classes", "targets height, width"."""
        return f"targets {', '.join(data.labels)}" if data.labels else "one target each"

    def card_labels(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Labels that a model card keeps."""
        return labels

    def sheet_groups(self, data: Examples) -> dict[str, np.ndarray]:
        """Group name -> int64 positions of its examples, as a sheet of samples shows them."""
        return {"all": np.arange(len(data))}

    def caption(self, data: Examples, index: int) -> str:
        """Caption of one example on a sheet of samples."""
        return f"number {index}"

    def read_row(
        self, numbers: np.ndarray, labels: Sequence[str], probabilities: bool | None = None
    ) -> tuple[Any, Any]:
        """One row of outputs (K,) -> (prediction, confidence); None for a prediction without confidence.

        `probabilities` says whether the network ends in some rather than in logits; None where it is not known.
        """
        return (float(numbers[0]) if len(numbers) == 1 else numbers.tolist()), None

    # ---- training -------------------------------------------------------------------------------------------------

    def strata(self, data: Examples) -> np.ndarray:
        """Strata int64 (N,) of a stratified split."""
        return np.zeros(len(data), np.int64)

    def default_loss(self, views: int = 1) -> str:
        """Name of the loss where none is named; `OBJECTIVE` stands for `loss_function`."""
        return self.losses[0] if self.losses else OBJECTIVE

    def check_targets(self, name: str, loss: LossForm, options: Mapping[str, Any], data: Examples) -> None:
        """Check all targets for a named loss. Raises SpecError when one is out of the range that it takes."""

    def check_output(
        self, name: str, loss: LossForm, options: Mapping[str, Any], data: Examples, shape: tuple[int, ...]
    ) -> None:
        """Check the output's shape, without the batch axis, for a named loss. Raises SpecError."""
        if loss.output == "vectors":
            axes = 2 if data.views > 1 else 1
            if len(shape) != axes:
                vector = batch_text(shape[axes - 1 :])
                raise refuse(name, f"the network gives {vector}.", "Vectors (batch, D) are expected.")
            return
        wanted = self.output_shape(loss, data)
        if wanted is not None and shape != wanted:
            raise refuse(
                name,
                f"the network gives {batch_text(shape)}.",
                f"{batch_text(wanted)} is expected for {self.output_words(loss, data)}.",
            )

    def output_shape(self, loss: LossForm, data: Examples) -> tuple[int, ...] | None:
        """Shape of the output for one example that a named loss takes; None for any."""
        return None

    def output_words(self, loss: LossForm, data: Examples) -> str:
        """What an output of `output_shape` holds, in words."""
        return f"{len(data.labels)} labels"

    def class_axis(self, axes: int) -> int:
        """Class axis of outputs with so many axes."""
        return 1

    def output_task(self, loss: LossForm) -> str:
        """Task of the outputs that a named loss compares, for metrics and the card."""
        return self.name

    def weight_count(self, data: Examples) -> int:
        """How many numbers a loss takes that weighs classes or values."""
        return len(data.labels)

    def balanced_weights(self, targets: torch.Tensor, count: int) -> torch.Tensor:
        """Class weights float32 (count,) by which rare classes count as much as frequent ones: N / (count n) for a class of
        n of N examples or positions. For tasks with `classes`."""
        return balanced_class_weights(targets, count)

    def initial_output(
        self, targets: Callable[[], torch.Tensor], name: str, options: Mapping[str, Any]
    ) -> torch.Tensor | None:
        """Output (T,) that a new network may start from with a loss, of the training's targets; None leaves its initial weights."""
        return None

    # ---- answers and metrics --------------------------------------------------------------------------------------

    def answer(self, outputs: Any, name: str, loss: LossForm, options: Mapping[str, Any]) -> Any:
        """Outputs that a named loss compares -> predictions for metrics; None where metrics do not apply."""
        return outputs

    def further_answers(self, loss: LossForm) -> tuple[str, ...]:
        """Names of what a network says beside its answer."""
        return ()

    def further_answer(self, outputs: Any, loss: LossForm) -> dict[str, torch.Tensor]:
        """Outputs that a named loss compares -> what `further_answers` names, (N, ...) each."""
        return {}

    def arrange(self, outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Predictions and targets as metrics take them, classes on the last axis; None where they do not correspond."""
        return outputs, targets

    def metric_values(self, outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(Outputs, targets) as numbers of one shape, for metrics of values."""
        return outputs, targets

    def meter(self, metrics: tuple[Any, ...]) -> Meter | None:
        """A new meter for the metrics of an epoch; None takes the one for arrays, `toolkit.training.metrics.Outputs`."""
        return None
