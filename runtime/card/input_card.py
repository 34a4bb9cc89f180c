"""Input card: pre-processing of one input, which drives `runtime.preprocess` in training as at inference.

Each kind of input is a class of its own in a file beside this one, registered under its name.
"""

from __future__ import annotations

import dataclasses
import importlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from runtime.card.field_checks import FieldCheck, is_text
from runtime.errors import CardError, suggest

__all__ = ["InputCard", "input_facts", "read_input", "register_input"]


Card = TypeVar("Card", bound="InputCard")


@dataclass(frozen=True)
class InputCard(ABC):
    """Pre-processing of the input `name`: what the kinds of input have in common.

    Attributes:
        kind: name of the kind, a field with a default in each class.
        shape: of one prepared row, without the batch axis; None for an axis of any length.
        CHECKS: field -> what it must hold when it comes from a file.
        has_preparation: whether the card says how files become rows; else the input takes arrays alone.
    """

    name: str

    CHECKS: ClassVar[Mapping[str, FieldCheck]] = {}
    has_preparation: ClassVar[bool] = True

    if TYPE_CHECKING:  # fields in some classes: as attributes here they would be taken for the fields' defaults

        @property
        def kind(self) -> str: ...

        @property
        def shape(self) -> tuple[int | None, ...]: ...

    @property
    def dtype(self) -> str:
        """Dtype of a prepared row."""
        return "float32"

    @property
    def padding(self) -> int | None:
        """The padding token; None where there is none."""
        return None

    @property
    def padding_mark(self) -> int | Literal["nan"] | None:
        """What tells padded steps of a row from real ones: the padding token, or "nan"; None where nothing does."""
        return self.padding

    @property
    def padding_is_skipped(self) -> bool:
        """Whether the network leaves padded steps out, and results do."""
        return self.padding_mark == "nan"

    def skipped_padding(self: Card) -> Card:
        """The card of a network that leaves padded steps out."""
        return self

    def zero_padded(self: Card) -> Card:
        """The card of the same preparation with padded steps of zeros, where they are NaN."""
        return self

    @property
    def tokens(self) -> tuple[str, ...]:
        """Vocabulary, in the order of the indices; empty where the rows are not made of tokens."""
        return ()

    @property
    def table_columns(self) -> tuple[str, ...]:
        """Columns of a table that hold the input; empty where it does not come from tables."""
        return ()

    @property
    def axis_names(self) -> Mapping[int, str] | None:
        """Axis of a batch -> "length", "height" or "width"; None where the card does not tell what its axes are."""
        return None

    @property
    def prepared_in_graph(self) -> bool:
        """Whether the file does the preparation itself, and takes rows that are not prepared."""
        return False

    def prepared_outside(self: Card) -> Card:
        """The card of the same preparation, done outside of the file."""
        return self

    def fed_shape(self, picture: tuple[int, int] | None = None) -> tuple[int | None, ...]:
        """Shape of a row as the file takes it. Only pictures that the file prepares differ from `shape`.

        Args:
            picture: (height, width) of such a picture; None for the card's own size.
        """
        return self.shape

    @property
    def fed_dtype(self) -> str:
        """Dtype of a row as the file takes it, of rows that are numbers; pictures that the file prepares are uint8."""
        return self.dtype

    @property
    def binding_shape(self) -> tuple[int | None, ...]:
        """Shape of a row as the file takes it, None for an axis of any length."""
        return self.fed_shape()

    def contradictions(self) -> list[str]:
        """What the card says against itself, or that would take all memory: clauses; an empty list of a sound card."""
        return []

    def with_free_axes(self: Card, axes: Collection[int]) -> Card:
        """The card with any length along these axes of a batch, where its shape is only noted and follows from nothing else."""
        return self

    @abstractmethod
    def describe(self) -> str:
        """Pre-processing in words."""


# Kind -> its module, imported when a card of the kind is first met.
_BUILT_IN = {kind: f"runtime.card.{kind}_input" for kind in ("image", "table", "text", "sequence", "array")}
_KINDS: dict[str, type[InputCard]] = {}


def register_input(card_class: type[Card]) -> type[Card]:
    """Class decorator: make a kind of input readable from cards. Raises ValueError for a kind that is there already."""
    kind = str(card_class.kind)
    if kind in _KINDS or card_class.__module__ != _BUILT_IN.get(kind, card_class.__module__):
        raise ValueError(
            f"There is an input of the kind {kind!r} already: {_KINDS[kind].__name__ if kind in _KINDS else _BUILT_IN[kind]}."
        )
    _KINDS[kind] = card_class
    return card_class


def input_facts(card: InputCard) -> dict[str, Any]:
    """Input card as plain containers, which `read_input` reads back."""
    optional = {item.name: item.default for item in dataclasses.fields(card) if item.metadata.get("optional")}
    facts = dataclasses.asdict(card)
    return {name: value for name, value in facts.items() if name not in optional or value != optional[name]}


def read_input(mapping: Mapping[str, Any]) -> InputCard:
    """Read an input card from untrusted plain containers.

    Raises:
        CardError: the kind or a field is unknown, or a field holds something else than it should.
        TypeError: a field is missing.
    """
    kind = mapping.get("kind")
    if isinstance(kind, str) and kind in _BUILT_IN:
        importlib.import_module(_BUILT_IN[kind])
    if not isinstance(kind, str) or kind not in _KINDS:
        raise CardError(
            f"An input of the model card has the kind {kind!r}.{suggest(str(kind), {**_BUILT_IN, **_KINDS})}"
        )
    card_class = _KINDS[kind]
    known = {item.name for item in dataclasses.fields(card_class)}
    unknown = sorted(set(mapping) - known)
    if unknown:
        raise CardError(
            f"The {kind} input of the model card has the unknown fields {', '.join(unknown)}; running it without them "
            f"could change results. Update onnx-edge-toolkit, or export the model again with this version."
        )
    arguments = {name: _tuple(value) for name, value in mapping.items()}
    checks = {"name": FieldCheck(is_text, "a text is"), **card_class.CHECKS}
    for name, value in arguments.items():
        check = checks.get(name)
        if check is not None and not check.fits(value):
            raise CardError(
                f"The {kind} input of the model card has {name}={value!r:.80}; {check.expected} expected. Export the model again."
            )
    return card_class(**arguments)


def _tuple(value: Any) -> Any:
    return tuple(_tuple(item) for item in value) if isinstance(value, list | tuple) else value
