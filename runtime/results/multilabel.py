"""Multilabel: none, one or several labels per row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.card import ModelCard
from runtime.results.decoder import Arrays, Decoder, role_output
from runtime.results.fidelity import share
from runtime.results.scores import class_labels, label_count, named_scores, scores_text, sigmoid, top_scores
from runtime.results.script import label_source, quoted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

__all__ = ["THRESHOLD", "Multilabel", "MultilabelDecoder"]

THRESHOLD = 0.5
"""Labels above this probability hold."""


@dataclass(frozen=True, slots=True)
class Multilabel:
    """The labels that hold for one row; none, one or several.

    Attributes:
        probabilities: float32 (K,), each between 0 and 1 by itself.
        labels: the K label names.
        source: the file, text or row it came from, or None.
    """

    probabilities: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    source: str | None = None

    @property
    def chosen(self) -> list[tuple[str, float]]:
        """Chosen labels, above a probability of 0.5, as (label, probability), most probable first."""
        return [entry for entry in self.top(len(self.labels)) if entry[1] > THRESHOLD]

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """Top `count` labels as (label, probability), most probable first."""
        return top_scores(self.probabilities, self.labels, count)

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {"source": self.source, "chosen": named_scores(self.chosen), "top": named_scores(self.top(top))}

    def text_cells(self, top: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(column names, cells) of a line of text: the labels that hold, and the most probable ones."""
        return ("labels", "most probable"), (scores_text(self.chosen) or "none", scores_text(self.top(top)))

    def csv_cells(self, top: int) -> tuple[list[str], list[str]]:
        """(column names, cells) of a line of CSV: the probability of each label."""
        return list(self.labels), [repr(float(value)) for value in self.probabilities]

    def draw(self, picture: Image.Image) -> Image.Image:
        """A new RGB picture: `picture` with the labels that hold below it."""
        from runtime.drawing.caption import captioned

        return captioned(picture, [scores_text([entry]) for entry in self.chosen[:3]] or ["none"])


class MultilabelDecoder(Decoder):
    """None, one or several labels per row: probabilities or logits (N, K), each by itself."""

    name = "multilabel"
    named_by_module = False
    exported = ("probabilities",)
    on_request = ("logits", "embedding", "cam")
    result_role = "logits"
    activation = "sigmoid"
    label_per_column = True
    measure = "labels right"
    likeness = "same labels as fp32"
    frequencies_matter = True

    def outputs(self, card: ModelCard) -> tuple[str, ...]:
        """The probabilities, else the logits. Raises CardError for a card without."""
        return (role_output(card, ("probabilities", "logits")),)

    def decode(self, outputs: Arrays, card: ModelCard, sources: Sequence[str | None]) -> list[Multilabel]:
        """Decode probabilities or logits (N, K) -> N results. Raises CardError where the labels are not K."""
        values = outputs[self.outputs(card)[0]]
        rows = values.reshape(len(values), -1)
        labels = class_labels(card, rows.shape[1])
        if card.output("probabilities") is None:
            rows = sigmoid(rows)
        return [Multilabel(row, labels, source) for row, source in zip(rows, sources, strict=True)]

    def decisions(self, outputs: Arrays, card: ModelCard) -> npt.NDArray[Any] | None:
        """Labels that hold, bool (N, K): a probability above THRESHOLD, or a logit above 0."""
        scores = self._scores(outputs, card)
        if scores is None:
            return None
        above: npt.NDArray[np.bool_] = scores[1] > (THRESHOLD if scores[0] == "probabilities" else 0.0)
        return above

    def alike(self, reference: Arrays, outputs: Arrays, card: ModelCard) -> float:
        """Share of equal decisions, in percent."""
        return self._labels_alike(reference, outputs, card)

    def score(self, outputs: Arrays, targets: npt.NDArray[Any], card: ModelCard) -> float | None:
        """Share of right decisions in percent, of targets (N, K) of 0 and 1."""
        answers = self.decisions(outputs, card)
        return None if answers is None else share(answers == (targets > 0.5))

    def summary(self, card: ModelCard) -> str:
        """One sentence for the model's page."""
        return f"A network that tells which of {label_count(card)} labels hold for an input."

    def script_lines(self, card: ModelCard) -> list[str]:
        """The labels above one half."""
        probabilities = card.output("probabilities")
        if not probabilities:
            return super().script_lines(card)
        return [
            '    """The labels of one row with a probability above one half."""',
            f"    found = [(index, p) for index, p in enumerate(outputs[{quoted(probabilities)}][row]) if p > 0.5]",
            f'    return ", ".join(f"{{{label_source(card)}}} {{p:.2%}}" for index, p in found) or "none"',
        ]


DECODER = MultilabelDecoder()
