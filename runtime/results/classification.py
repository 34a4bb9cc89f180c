"""Classification: one class per row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.card import ModelCard
from runtime.results.decoder import Arrays, Decoder, role_output
from runtime.results.fidelity import right_share
from runtime.results.scores import class_labels, label_count, named_scores, scores_text, softmax, top_scores
from runtime.results.script import label_source, quoted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

__all__ = ["Classification", "ClassificationDecoder"]


@dataclass(frozen=True, slots=True)
class Classification:
    """The class of one row.

    Attributes:
        label: name of the most probable class.
        index: its position.
        probability: between 0 and 1.
        probabilities: float32 (K,), one per class.
        labels: the K class names.
        source: the file, text or row it came from, or None.
    """

    label: str
    index: int
    probability: float
    probabilities: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    source: str | None = None

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """Top `count` classes as (label, probability), most probable first."""
        return top_scores(self.probabilities, self.labels, count)

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {
            "source": self.source,
            "label": self.label,
            "probability": self.probability,
            "top": named_scores(self.top(top)),
        }

    def text_cells(self, top: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(column names, cells) of a line of text: the label, its probability, the next classes."""
        cells = (self.label, f"{self.probability:.4f}", scores_text(self.top(top)[1:]))
        return ("label", "probability", "then"), cells

    def csv_cells(self, top: int) -> tuple[list[str], list[str]]:
        """(column names, cells) of a line of CSV: the `top` most probable labels, each with its probability."""
        best = self.top(top)
        more = [f"{what}_{rank}" for rank in range(2, len(best) + 1) for what in ("label", "probability")]
        cells = [cell for label, probability in best for cell in (label, repr(probability))]
        return ["label", "probability", *more], cells

    def draw(self, picture: Image.Image) -> Image.Image:
        """A new RGB picture: `picture` with its two most probable classes below it."""
        from runtime.drawing.caption import captioned

        return captioned(picture, [scores_text([entry]) for entry in self.top(2)])


class ClassificationDecoder(Decoder):
    """One class per row: probabilities or logits (N, K)."""

    name = "classification"
    named_by_module = False
    exported = ("probabilities",)
    on_request = ("logits", "embedding", "cam")
    result_role = "logits"
    activation = "softmax"
    answer_is_label = True
    measure = "accuracy"
    likeness = "same class as fp32"
    frequencies_matter = True

    def outputs(self, card: ModelCard) -> tuple[str, ...]:
        """The probabilities, else the logits. Raises CardError for a card without."""
        return (role_output(card, ("probabilities", "logits")),)

    def decode(self, outputs: Arrays, card: ModelCard, sources: Sequence[str | None]) -> list[Classification]:
        """Decode probabilities or logits (N, K) -> N results. Raises CardError where the labels are not K."""
        values = outputs[self.outputs(card)[0]]
        rows = values.reshape(len(values), -1)
        if card.output("probabilities") is None:
            rows = softmax(rows, 1)
        labels = class_labels(card, rows.shape[1])
        best = rows.argmax(axis=1)
        return [
            Classification(labels[index], int(index), float(row[index]), row, labels, source)
            for row, index, source in zip(rows, best, sources, strict=True)
        ]

    def alike(self, reference: Arrays, outputs: Arrays, card: ModelCard) -> float:
        """Share of equal classes, in percent."""
        return self._labels_alike(reference, outputs, card)

    def score(self, outputs: Arrays, targets: npt.NDArray[Any], card: ModelCard) -> float | None:
        """Accuracy in percent, of int64 targets (N,)."""
        answers = self.decisions(outputs, card)
        return None if answers is None else right_share(answers, targets)

    def summary(self, card: ModelCard) -> str:
        """One sentence for the model's page."""
        return f"A network that tells which of {label_count(card)} classes an input is."

    def script_lines(self, card: ModelCard) -> list[str]:
        """The five most probable classes."""
        probabilities, logits = card.output("probabilities"), card.output("logits")
        lines = ['    """The five most probable classes of one row."""']
        if probabilities:
            lines.append(f"    probabilities = outputs[{quoted(probabilities)}][row]")
        elif logits:
            lines += [
                f"    powers = np.exp(outputs[{quoted(logits)}][row] - outputs[{quoted(logits)}][row].max())",
                "    probabilities = powers / powers.sum()",
            ]
        else:
            return super().script_lines(card)
        return [
            *lines,
            "    best = probabilities.argsort()[::-1][:5]",
            f'    return ", ".join(f"{{{label_source(card)}}} {{probabilities[index]:.2%}}" for index in best)',
        ]


DECODER = ClassificationDecoder()
