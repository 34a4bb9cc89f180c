"""Input card of texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from runtime.card.field_checks import (
    FLAG,
    INDEX,
    LENGTH,
    MOST_ELEMENTS,
    FieldCheck,
    check_choice,
    is_text,
    shown,
    tuple_of,
)
from runtime.card.input_card import InputCard, register_input
from runtime.errors import CardError

__all__ = ["LEVELS", "NORMALIZATIONS", "TextInput"]

LEVELS = ("character", "word")
NORMALIZATIONS = ("NFC", "NFKC", "none")


@register_input
@dataclass(frozen=True)
class TextInput(InputCard):
    """Text pre-processing: a text -> one int64 row of the input `name`: `length` positions in the vocabulary.

    In this order: `normalization` to a Unicode form, `lowercase`, `strip_accents` (decomposed, combining marks dropped),
    cut into tokens (`level`: characters, or words and single punctuation marks), looked up in `vocabulary`, cut to
    `length` at the end or filled up there with `padding`.

    Attributes:
        vocabulary: every token, in the order of the indices.
        length: tokens in a row.
        level: "character" or "word".
        padding: index of the token that fills up; None refuses texts shorter than `length`.
        unknown: index for tokens that the vocabulary lacks; None refuses them.
        lowercase: before the look-up.
        normalization: Unicode form: "NFC" composes accents, "NFKC" also folds compatible characters, "none" leaves all.
        strip_accents: é becomes e.
        column: the column that holds the text in a table.
        skips_padding: the network leaves padded tokens out, and so do results. Cards without the field are of versions whose
            networks read them.
    """

    vocabulary: tuple[str, ...]
    length: int
    level: Literal["character", "word"] = "character"
    padding: int | None = None
    unknown: int | None = None
    lowercase: bool = False
    normalization: Literal["NFC", "NFKC", "none"] = "NFC"
    strip_accents: bool = False
    column: str = "text"
    skips_padding: bool = field(default=False, metadata={"optional": True})
    kind: Literal["text"] = "text"

    CHECKS: ClassVar[Mapping[str, FieldCheck]] = {
        "vocabulary": FieldCheck(tuple_of(is_text), "the tokens, as texts, are"),
        "length": LENGTH,
        "padding": INDEX,
        "unknown": INDEX,
        "lowercase": FLAG,
        "strip_accents": FLAG,
        "skips_padding": FLAG,
        "column": FieldCheck(is_text, "the column's name is"),
    }

    def __post_init__(self) -> None:
        check_choice("text", "level", self.level, LEVELS)
        check_choice("text", "normalization", self.normalization, NORMALIZATIONS)
        if not self.vocabulary or len(set(self.vocabulary)) != len(self.vocabulary):
            raise CardError(
                f"The text input's vocabulary has {len(self.vocabulary)} tokens, {len(set(self.vocabulary))} of them "
                f"different; at least one, and each only once, is expected."
            )
        if not 1 <= self.length <= MOST_ELEMENTS:
            raise CardError(f"The text input's length is {shown(self.length)}; 1 to {MOST_ELEMENTS} is expected.")
        for what, index in (("padding", self.padding), ("unknown", self.unknown)):
            if index is not None and not 0 <= index < len(self.vocabulary):
                raise CardError(
                    f"The text input's {what} is {index}; an index from 0 to {len(self.vocabulary) - 1} is expected."
                )
        if self.padding is not None and self.padding == self.unknown:
            raise CardError(f"The text input's padding and unknown are both {self.padding}; they must differ.")

    @property
    def shape(self) -> tuple[int]:
        """The shape of one prepared row, without the batch axis."""
        return (self.length,)

    @property
    def dtype(self) -> str:
        """Dtype of a prepared row."""
        return "int64"

    @property
    def tokens(self) -> tuple[str, ...]:
        """The vocabulary."""
        return self.vocabulary

    @property
    def padding_is_skipped(self) -> bool:
        """As `InputCard.padding_is_skipped`."""
        return self.skips_padding

    def skipped_padding(self) -> TextInput:
        """As `InputCard.skipped_padding`."""
        return replace(self, skips_padding=self.padding is not None)

    @property
    def table_columns(self) -> tuple[str, ...]:
        """The column that holds the text."""
        return (self.column,)

    @property
    def axis_names(self) -> Mapping[int, str]:
        """Axis of a batch -> "length"."""
        return {1: "length"}

    def describe(self) -> str:
        """Pre-processing in words."""
        steps = [f"text, by {self.level}s of a vocabulary of {len(self.vocabulary)}"]
        steps += ["in lower case"] if self.lowercase else []
        steps += ["without accents"] if self.strip_accents else []
        steps += [self.normalization] if self.normalization != "none" else []
        steps.append(f"cut to {self.length}")
        steps += [f"filled up with {self.vocabulary[self.padding]!r}"] if self.padding is not None else []
        if self.unknown is not None:
            steps.append(f"others become {self.vocabulary[self.unknown]!r}")
        return ", ".join(steps)
