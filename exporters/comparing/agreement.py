"""Label agreement of two networks on the same inputs, and the accuracy of each where labels are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exporters.comparing.compared_models import ComparedModel
from exporters.comparing.input_batches import InputBatch
from runtime.card import ModelCard
from runtime.results import THRESHOLD, class_axis

__all__ = ["Agreement", "Labels"]


@dataclass(frozen=True)
class Agreement:
    """Label agreement of two networks.

    Attributes:
        share: equal answers / all answers, in 0 .. 1; one answer per input, per position, or per label of several.
        answers: number of answers compared.
        accuracy: share of right labels of the first and of the second, where the data lies in folders named by class.
        examples: up to five inputs with different labels: (source, label of the first, label of the second).
    """

    share: float
    answers: int
    accuracy: tuple[float, float] | None
    examples: tuple[tuple[str, str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {
            "share": self.share,
            "answers": self.answers,
            "accuracy": None if self.accuracy is None else list(self.accuracy),
            "examples": [list(entry) for entry in self.examples],
        }


class Labels:
    """Accumulator of the labels that both networks give; empty where no card names probabilities or logits."""

    def __init__(self, first: ComparedModel, second: ComparedModel, pairs: Mapping[str, str]) -> None:
        self._output: tuple[str, str] | None = None
        self._card: ModelCard | None = None
        for card, named in ((first.card, list(pairs.items())), (second.card, [(b, a) for a, b in pairs.items()])):
            for role in ("probabilities", "logits"):
                name = card.output(role) if card is not None else None
                partner = dict(named).get(name) if name is not None else None
                if card is not None and name is not None and partner is not None and self._output is None:
                    self._output = (name, partner) if card is first.card else (partner, name)
                    self._card, self._role = card, role
        self._same = self._answers = 0
        self._right = [0, 0]
        self._judged = 0
        self._unjudged = False
        self._examples: list[tuple[str, str, str]] = []

    def add(self, feed: InputBatch, first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> None:
        """Add one batch: the outputs of both networks, output name -> array."""
        if self._output is None or self._card is None:
            return
        arrays = (first[self._output[0]], second[self._output[1]])
        if arrays[0].shape != arrays[1].shape or arrays[0].ndim < 2:
            return
        a, b = (self._answers_in(array)[: feed.rows] for array in arrays)
        self._same += int((a == b).sum())
        self._answers += a.size
        if self._card.task == "classification":
            self._judge(feed, a, b)

    def done(self) -> Agreement | None:
        """Agreement over all batches added; None where no output holds labels."""
        if not self._answers:
            return None
        judged = self._judged and not self._unjudged
        accuracy = (self._right[0] / self._judged, self._right[1] / self._judged) if judged else None
        return Agreement(self._same / self._answers, self._answers, accuracy, tuple(self._examples))

    def _answers_in(self, array: np.ndarray) -> np.ndarray:
        assert self._card is not None
        if self._card.task == "multilabel":
            above: np.ndarray = array > (THRESHOLD if self._role == "probabilities" else 0)
            return above
        found: np.ndarray = array.argmax(class_axis(array.ndim))
        return found

    def _judge(self, feed: InputBatch, a: np.ndarray, b: np.ndarray) -> None:
        assert self._card is not None
        names = self._card.labels
        for row, source in enumerate(feed.sources):
            said = [names[int(answer[row])] if int(answer[row]) < len(names) else str(answer[row]) for answer in (a, b)]
            if said[0] != said[1] and len(self._examples) < 5:
                self._examples.append((source or f"row {row}", said[0], said[1]))
            right = Path(source).parent.name if source is not None else None
            if right not in names:
                self._unjudged = True
                continue
            self._judged += 1
            self._right[0] += said[0] == right
            self._right[1] += said[1] == right
