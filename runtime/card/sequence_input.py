"""Input card of sequences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from runtime.card.field_checks import (
    LENGTH,
    MOST_ELEMENTS,
    NUMBERS,
    FieldCheck,
    check_choice,
    check_scaling,
    shown,
)
from runtime.card.input_card import InputCard, register_input
from runtime.errors import CardError

__all__ = ["FILLS", "SequenceInput"]

FILLS = ("zero", "nan")


@register_input
@dataclass(frozen=True)
class SequenceInput(InputCard):
    """Sequence pre-processing: a sequence (L, features) -> one float32 row (length, features) of the input `name`.

    Each step is scaled, (value - mean) / std with one mean and std per feature; then the sequence is cut to `length` at its
    end, or filled up there.

    Attributes:
        features: numbers of a step.
        length: steps of a row.
        mean, std: of each feature; empty where it is not scaled.
        fill: what fills up: "nan", steps of NaN, which the network tells from real ones and skips; or "zero", steps of zeros,
            which only a `masking` layer tells from real ones. Cards without the field are of versions that filled up with zeros.
    """

    features: int
    length: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    fill: Literal["zero", "nan"] = field(default="zero", metadata={"optional": True})
    kind: Literal["sequence"] = "sequence"

    CHECKS: ClassVar[Mapping[str, FieldCheck]] = {
        "features": LENGTH,
        "length": LENGTH,
        "mean": NUMBERS,
        "std": NUMBERS,
    }

    def __post_init__(self) -> None:
        if min(self.features, self.length) < 1 or self.features * self.length > MOST_ELEMENTS:
            raise CardError(
                f"The sequence input has {shown(self.features)} features and the length {shown(self.length)}; at least 1 each, and together at "
                f"most {MOST_ELEMENTS} numbers, are expected."
            )
        check_choice("sequence", "fill", self.fill, FILLS)
        check_scaling("sequence", self.mean, self.std, self.features, "one for each feature")

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of one prepared row, without the batch axis."""
        return (self.length, self.features)

    @property
    def axis_names(self) -> Mapping[int, str]:
        """Axis of a batch -> "length"."""
        return {1: "length"}

    @property
    def padding_mark(self) -> Literal["nan"] | None:
        """ "nan" where padded steps are steps of NaN."""
        return "nan" if self.fill == "nan" else None

    def zero_padded(self) -> SequenceInput:
        """The card with padded steps of zeros."""
        return replace(self, fill="zero")

    def describe(self) -> str:
        """Pre-processing in words."""
        scaling = ", scaled feature by feature" if self.mean or self.std else ""
        filling = "NaN, steps that the network skips" if self.fill == "nan" else "zeros"
        return f"sequences of {self.features} features{scaling}, cut to {self.length} steps or filled up with {filling}"
