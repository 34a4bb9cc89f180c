"""Embedding: vectors of pairs or triplets, near each other where the inputs are alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from runtime.errors import InputError
from toolkit.tasks.label_arrays import distinct_rows, label_array
from toolkit.tasks.protocols import Examples, LossForm
from toolkit.tasks.refusal import refuse
from toolkit.tasks.task import Task

__all__ = ["TASK", "EmbeddingTask"]


class EmbeddingTask(Task):
    """Vectors of several views: targets float32 (N,), +1 for pairs that are alike and -1 for others, outputs (N, views, D)."""

    name = "embedding"
    losses = (
        *("MarginRankingLoss", "CosineEmbeddingLoss", "HingeEmbeddingLoss"),
        *("TripletMarginLoss", "TripletMarginWithDistanceLoss"),
    )
    metrics = ("recall_at",)
    augmentation_refusal = None

    def read_targets(self, y: Any, labels: Sequence[str] | None) -> tuple[Any, tuple[str, ...]]:
        """Refused: pairs and triplets have readers of their own."""
        label_array(y)
        raise InputError("An embedding learns from pairs or triplets; load them with load_pairs or load_triplets.")

    def read_cells(
        self, cells: Sequence[Sequence[str]], columns: Sequence[str], labels: Sequence[str] | None, source: str
    ) -> tuple[Any, tuple[str, ...]]:
        """Refused: a table has no pairs."""
        raise InputError(f"A table has no targets for the task {self.name!r}; it holds classes, labels or values.")

    def describe(self, data: Examples) -> str:
        """Pairs or triplets."""
        return {2: "in pairs", 3: "in triplets"}.get(data.views, f"{data.views} views each")

    def card_labels(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """None: a vector has no names."""
        return ()

    def strata(self, data: Examples) -> np.ndarray:
        """Alike or not."""
        return distinct_rows(data.targets)

    def default_loss(self, views: int = 1) -> str:
        """A margin between distances for triplets, the cosine for pairs."""
        return "TripletMarginLoss" if views == 3 else "CosineEmbeddingLoss"

    def check_targets(self, name: str, loss: LossForm, options: Mapping[str, Any], data: Examples) -> None:
        """Pairs or triplets as the loss takes them; +1 and -1 for pairs."""
        wanted = (2, 3) if loss.target == "pairs" else (3,) if loss.target == "triplets" else (2,)
        if data.views not in wanted:
            given = {2: "pairs", 3: "triplets"}.get(data.views, f"{data.views} views each")
            meant = "triplets" if wanted == (3,) else "pairs"
            others = "CosineEmbeddingLoss or HingeEmbeddingLoss" if data.views == 2 else "TripletMarginLoss"
            raise refuse(name, f"it wants {meant}, and the data holds {given}.", f"Use {others}.")
        if data.views == 2 and not np.isin(data.targets, (-1, 1)).all():
            wrong = data.targets[~np.isin(data.targets, (-1, 1))][0]
            raise refuse(name, f"the target of a pair is {wrong:g}.", "Pairs that are alike have 1, others -1.")

    def output_shape(self, loss: LossForm, data: Examples) -> tuple[int, ...] | None:
        """One score for each of a pair."""
        return (2, 1)

    def output_words(self, loss: LossForm, data: Examples) -> str:
        """Scores."""
        return "one score for each of a pair"


TASK = EmbeddingTask()
