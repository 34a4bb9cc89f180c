"""Dense prediction: one class per position of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.card import ModelCard
from runtime.errors import CardError
from runtime.preprocess.kinds import preprocessor_of
from runtime.results.decoder import Arrays, Decoder, Runner, role_output
from runtime.results.fidelity import right_share
from runtime.results.scores import class_axis, class_labels, label_count, softmax, top_scores

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL import Image

__all__ = ["Dense", "DenseDecoder"]

_STEPS = "real steps"


@dataclass(frozen=True, slots=True)
class Dense:
    """The class at each position of one row.

    Attributes:
        classes: int64 (L,) or (H, W), positions in `labels`; of a sequence or text its own steps, without padding.
        probability: float32 of the same shape, that of the class chosen.
        labels: the K class names.
        source: the file, text or row it came from, or None.
    """

    classes: npt.NDArray[np.int64]
    probability: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    source: str | None = None

    def shares(self) -> list[tuple[str, float]]:
        """Shares of the classes that occur, as (label, share of the positions), greatest share first."""
        counts = np.bincount(self.classes.reshape(-1), minlength=len(self.labels))
        found = top_scores(counts / self.classes.size, self.labels, len(self.labels))
        return [entry for entry in found if entry[1] > 0]

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON; `top` is without meaning here."""
        shares = [{"label": label, "share": share} for label, share in self.shares()]
        return {"source": self.source, "classes": self.classes.tolist(), "shares": shares}

    def text_cells(self, top: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(column names, cells) of a line of text: the positions' shape, and the share of each class."""
        shown = "  ".join(f"{label} {share:.1%}" for label, share in self.shares()[:top])
        return ("positions", "share of each class"), (" x ".join(map(str, self.classes.shape)), shown)

    def csv_cells(self, top: int) -> tuple[list[str], list[str]]:
        """(column names, cells) of a line of CSV: the share of each class, 0 for those that do not occur."""
        shares = dict(self.shares())
        return list(self.labels), [repr(shares.get(label, 0.0)) for label in self.labels]

    def draw(self, picture: Image.Image) -> Image.Image:
        """A new RGB picture: `picture` under the colours of its classes (H, W), with the greatest shares below it.

        The classes are stretched over the whole picture, also where the network saw its centre only.
        """
        from runtime.drawing.caption import captioned
        from runtime.drawing.overlay import overlaid

        below = overlaid(picture, self.classes) if self.classes.ndim == 2 else picture
        return captioned(below, [f"{label} {share:.1%}" for label, share in self.shares()[:2]])


class DenseDecoder(Decoder):
    """One class per position of a row: probabilities or logits (N, L, K) or (N, K, H, W)."""

    name = "dense"
    named_by_module = False
    exported = ("probabilities",)
    on_request = ("logits",)
    result_axes = (3, 4)
    result_shape = "(N, L, K) or (N, K, H, W)"
    result_role = "logits"
    activation = "softmax"
    per_position = True
    measure = "positions right"
    likeness = "same positions as fp32"

    def outputs(self, card: ModelCard) -> tuple[str, ...]:
        """The probabilities, else the logits. Raises CardError for a card without."""
        return (role_output(card, ("probabilities", "logits")),)

    def run(self, session: Runner, feeds: Arrays, card: ModelCard) -> dict[str, npt.NDArray[Any]]:
        """As `Decoder.run`, and how many steps of each row are real, where the card tells."""
        found = super().run(session, feeds, card)
        if len(card.inputs) != 1 or not card.inputs[0].padding_is_skipped:
            return found
        rows = feeds[card.inputs[0].name]
        steps = preprocessor_of(card.inputs[0]).real_steps(rows, card.inputs[0])
        aligned = steps is not None and all(values.shape[1:2] == rows.shape[1:2] for values in found.values())
        return {**found, _STEPS: steps} if steps is not None and aligned else found

    def decode(self, outputs: Arrays, card: ModelCard, sources: Sequence[str | None]) -> list[Dense]:
        """Decode probabilities or logits (N, L, K) or (N, K, H, W) -> N results. Raises CardError for other shapes."""
        values = outputs[self.outputs(card)[0]]
        if values.ndim < 3:
            raise CardError(
                f"The model's output has the shape {values.shape}; a class at each position, of shape (N, L, K) or (N, K, H, W), is "
                f"expected of the task 'dense'. Export it again."
            )
        axis = class_axis(values.ndim)
        labels = class_labels(card, values.shape[axis])
        probabilities = values if card.output("probabilities") is not None else softmax(values, axis)
        best = probabilities.argmax(axis=axis).astype(np.int64)  # (N, L) or (N, H, W)
        chosen = probabilities.max(axis=axis).astype(np.float32, copy=False)
        steps = outputs.get(_STEPS, (None,) * len(best)) if best.ndim == 2 else (None,) * len(best)
        return [
            Dense(classes[:count], probability[:count], labels, source)
            for classes, probability, count, source in zip(best, chosen, steps, sources, strict=True)
        ]

    def alike(self, reference: Arrays, outputs: Arrays, card: ModelCard) -> float:
        """Share of positions of equal class, in percent."""
        return self._labels_alike(reference, outputs, card)

    def score(self, outputs: Arrays, targets: npt.NDArray[Any], card: ModelCard) -> float | None:
        """Share of right positions in percent, of int64 targets (N, L) or (N, H, W)."""
        answers = self.decisions(outputs, card)
        return None if answers is None else right_share(answers, targets)

    def summary(self, card: ModelCard) -> str:
        """One sentence for the model's page."""
        return f"A network that tells the class at each position of an input, of {label_count(card)}."


DECODER = DenseDecoder()
