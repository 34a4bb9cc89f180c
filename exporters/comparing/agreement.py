"""Label agreement of two networks on the same inputs, and the accuracy of each where labels are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exporters.comparing.card_view import CardView
from exporters.comparing.input_batches import InputBatch

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
    """Accumulator of the labels that both networks give; empty where no card says which outputs hold some.

    Args:
        views: of the networks' cards; a later one says what the labels are where those before do not.
    """

    def __init__(self, views: Sequence[CardView]) -> None:
        self._views = views
        self._same = self._answers = 0
        self._right = [0, 0]
        self._judged = 0
        self._unjudged = False
        self._examples: list[tuple[str, str, str]] = []

    def add(self, feed: InputBatch, first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> None:
        """Add one batch: the outputs of both networks, output name -> array, in the same order."""
        for view in self._views:
            one, other = view.arrays(first, second)
            same = view.decoder.agreement(one, other, view.card)
            if same is not None:
                self._same += int(same[: feed.rows].sum())
                self._answers += same[: feed.rows].size
                if view.decoder.answer_is_label:
                    self._judge(feed, view, one, other)
                return

    def done(self) -> Agreement | None:
        """Agreement over all batches added; None where no output holds labels."""
        if not self._answers:
            return None
        judged = self._judged and not self._unjudged
        accuracy = (self._right[0] / self._judged, self._right[1] / self._judged) if judged else None
        return Agreement(self._same / self._answers, self._answers, accuracy, tuple(self._examples))

    def _judge(
        self, feed: InputBatch, view: CardView, one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]
    ) -> None:
        names = view.card.labels
        a, b = (view.decoder.decisions(arrays, view.card) for arrays in (one, other))
        assert a is not None and b is not None
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
