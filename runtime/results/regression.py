"""Regression: one or several numbers per row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtime.card import ModelCard
from runtime.errors import CardError
from runtime.results.decoder import Arrays, Decoder, role_output
from runtime.results.fidelity import determination
from runtime.results.scores import label_count
from runtime.results.script import label_source, quoted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

__all__ = ["Regression", "RegressionDecoder", "value_rows"]


@dataclass(frozen=True, slots=True)
class Regression:
    """The predicted values of one row: float32 (T,), named by `names`."""

    values: npt.NDArray[np.float32]
    names: tuple[str, ...]
    source: str | None = None

    @property
    def value(self) -> float:
        """The first predicted value."""
        return float(self.values[0])

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON; `top` is without meaning here."""
        return {"source": self.source, "values": {n: float(v) for n, v in zip(self.names, self.values, strict=True)}}

    def text_cells(self, top: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(column names, cells) of a line of text: each value under its name."""
        return self.names, tuple(f"{value:.6g}" for value in self.values)

    def csv_cells(self, top: int) -> tuple[list[str], list[str]]:
        """(column names, cells) of a line of CSV: each value under its name, with all its digits."""
        return list(self.names), [repr(float(value)) for value in self.values]

    def draw(self, picture: Image.Image) -> Image.Image:
        """A new RGB picture: `picture` with its first three values below it."""
        from runtime.drawing.caption import captioned

        return captioned(
            picture, [f"{name} {value:.6g}" for name, value in zip(self.names[:3], self.values, strict=False)]
        )


class RegressionDecoder(Decoder):
    """One or several numbers per row: values (N, T)."""

    name = "regression"
    named_by_module = False
    exported = ("values",)
    on_request = ("embedding",)
    result_role = "values"
    label_per_column = True
    measure = "R²"

    def outputs(self, card: ModelCard) -> tuple[str, ...]:
        """The values. Raises CardError for a card without."""
        return (role_output(card, ("values",)),)

    def label_contradictions(self, card: ModelCard, shapes: Mapping[str, Sequence[int | str]]) -> list[str]:
        """As `Decoder.label_contradictions`; version 0.3 wrote means and variances as one output, twice as wide, which opens."""
        found = super().label_contradictions(card, shapes)
        return found and super().label_contradictions(replace(card, labels=card.labels * 2), shapes) and found

    def decode(self, outputs: Arrays, card: ModelCard, sources: Sequence[str | None]) -> list[Regression]:
        """Decode values (N, T) -> N results. Raises CardError where the names on the card are not T."""
        return value_rows(outputs[self.outputs(card)[0]], card, sources)

    def score(self, outputs: Arrays, targets: npt.NDArray[Any], card: ModelCard) -> float | None:
        """R² in percent, of targets (N, T): the mean over the values that vary, as in training."""
        found, wanted = (values.reshape(len(values), -1) for values in (outputs[self.outputs(card)[0]], targets))
        if found.shape != wanted.shape:
            return 0.0
        varying = (wanted != wanted[:1]).any(0).nonzero()[0].tolist() or range(wanted.shape[1])
        columns = [determination(wanted[:, place], found[:, place]) for place in varying]
        return sum(columns) / len(columns)

    def summary(self, card: ModelCard) -> str:
        """One sentence for the model's page."""
        count = label_count(card)
        return f"A network that predicts {count} number{'' if count == 1 else 's'} for an input."

    def script_lines(self, card: ModelCard) -> list[str]:
        """Each value under its name."""
        values = card.output("values")
        if not values:
            return super().script_lines(card)
        return [
            '    """The predicted numbers of one row."""',
            f"    found = enumerate(outputs[{quoted(values)}][row].ravel())",
            f'    return ", ".join(f"{{{label_source(card)}}} {{value:.6g}}" for index, value in found)',
        ]


def value_rows(values: npt.NDArray[Any], card: ModelCard, sources: Sequence[str | None]) -> list[Regression]:
    """Values (N, T) -> N results. Raises CardError where the names on the card are not T."""
    rows = values.reshape(len(values), -1)
    names = card.labels or tuple(f"value {index}" for index in range(rows.shape[1]))
    if len(names) != rows.shape[1]:
        raise CardError(f"The card names {len(names)} values, but the model gives {rows.shape[1]}. Export it again.")
    return [Regression(row, names, source) for row, source in zip(rows, sources, strict=True)]


DECODER = RegressionDecoder()
