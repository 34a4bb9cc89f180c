"""Input cards: pre-processing of pictures, tables, texts, sequences and plain arrays.

Entries of the model card, which drive `runtime.preprocess` in training as at inference.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from runtime.errors import CardError, suggest

__all__ = [
    "ArrayInput",
    "ImageInput",
    "InputCard",
    "SequenceInput",
    "TableInput",
    "TextInput",
    "input_facts",
    "read_input",
]

FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
COLORS = ("RGB", "grayscale")
LAYOUTS = ("NCHW", "NHWC")
ORIENTATIONS = ("exif", "stored")
LEVELS = ("character", "word")
NORMALIZATIONS = ("NFC", "NFKC", "none")
# Of one text or sequence: a card must not make a short input fill the memory.
MOST_ELEMENTS = 2**24


@dataclass(frozen=True)
class ImageInput:
    """Picture pre-processing: a picture -> one float32 row of the input `name`; it drives `runtime.preprocess`.

    In this order: turned upright by its EXIF tag (`orientation`), converted to `color`, resized
    (`resize`: (height, width) stretches, one int is the length of the shorter side, None keeps), cropped at
    the centre to `crop` (height, width), and normalised: (pixel * scale - mean) / std, one mean and std per channel.
    `size` is the (height, width) that comes out.

    With `prepared_in_graph` the file does all of it from the resizing on: it takes the upright pictures in their colour as uint8
    (N, height, width, channels) of any size.
    """

    name: str
    color: Literal["RGB", "grayscale"]
    size: tuple[int, int]
    resize: tuple[int, int] | int | None = None
    filter: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = "bilinear"
    crop: tuple[int, int] | None = None
    scale: float = 1 / 255
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    orientation: Literal["exif", "stored"] = "exif"
    # left out of the card where it is False, so that older versions read cards without it, and refuse those with it
    prepared_in_graph: bool = field(default=False, metadata={"optional": True})
    kind: Literal["image"] = "image"

    def __post_init__(self) -> None:
        _check_choice("image", "color", self.color, COLORS)
        _check_choice("image", "filter", self.filter, FILTERS)
        _check_choice("image", "layout", self.layout, LAYOUTS)
        _check_choice("image", "orientation", self.orientation, ORIENTATIONS)
        if min(self.size) < 1:
            raise CardError(f"The image input's size is {self.size}; a height and a width of at least 1 are expected.")
        _check_scaling("image", self.mean, self.std, self.channels, f"one for each channel of {self.color}")

    @property
    def channels(self) -> int:
        """3 for RGB, 1 for grayscale."""
        return 3 if self.color == "RGB" else 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of one prepared row, without the batch axis."""
        height, width = self.size
        return (self.channels, height, width) if self.layout == "NCHW" else (height, width, self.channels)


@dataclass(frozen=True)
class TableInput:
    """Table pre-processing: a table's row -> one float32 row of the input `name`: (value - mean) / std per column."""

    name: str
    columns: tuple[str, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    kind: Literal["table"] = "table"

    def __post_init__(self) -> None:
        _check_scaling("table", self.mean, self.std, len(self.columns), "one for each column")

    @property
    def shape(self) -> tuple[int]:
        """The shape of one prepared row, without the batch axis."""
        return (len(self.columns),)


@dataclass(frozen=True)
class TextInput:
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
    """

    name: str
    vocabulary: tuple[str, ...]
    length: int
    level: Literal["character", "word"] = "character"
    padding: int | None = None
    unknown: int | None = None
    lowercase: bool = False
    normalization: Literal["NFC", "NFKC", "none"] = "NFC"
    strip_accents: bool = False
    column: str = "text"
    kind: Literal["text"] = "text"

    def __post_init__(self) -> None:
        _check_choice("text", "level", self.level, LEVELS)
        _check_choice("text", "normalization", self.normalization, NORMALIZATIONS)
        if not self.vocabulary or len(set(self.vocabulary)) != len(self.vocabulary):
            raise CardError(
                f"The text input's vocabulary has {len(self.vocabulary)} tokens, {len(set(self.vocabulary))} of them "
                f"different; at least one, and each only once, is expected."
            )
        if not 1 <= self.length <= MOST_ELEMENTS:
            raise CardError(f"The text input's length is {_shown(self.length)}; 1 to {MOST_ELEMENTS} is expected.")
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


@dataclass(frozen=True)
class SequenceInput:
    """Sequence pre-processing: a sequence (L, features) -> one float32 row (length, features) of the input `name`.

    Each step is scaled, (value - mean) / std with one mean and std per feature; then the sequence is cut to `length` at its
    end, or filled up there with steps of zeros, which a `masking` layer tells from real ones.
    """

    name: str
    features: int
    length: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    kind: Literal["sequence"] = "sequence"

    def __post_init__(self) -> None:
        if min(self.features, self.length) < 1 or self.features * self.length > MOST_ELEMENTS:
            raise CardError(
                f"The sequence input has {_shown(self.features)} features and the length {_shown(self.length)}; at least 1 each, and together at "
                f"most {MOST_ELEMENTS} numbers, are expected."
            )
        _check_scaling("sequence", self.mean, self.std, self.features, "one for each feature")

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of one prepared row, without the batch axis."""
        return (self.length, self.features)


@dataclass(frozen=True)
class ArrayInput:
    """Plain array without pre-processing. `shape` is without the batch axis; None for an axis of any length."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str = "float32"
    kind: Literal["array"] = "array"


InputCard: TypeAlias = ImageInput | TableInput | TextInput | SequenceInput | ArrayInput
_KINDS: dict[str, type[InputCard]] = {
    "image": ImageInput,
    "table": TableInput,
    "text": TextInput,
    "sequence": SequenceInput,
    "array": ArrayInput,
}


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
    if not isinstance(kind, str) or kind not in _KINDS:
        raise CardError(f"An input of the model card has the kind {kind!r}.{suggest(str(kind), _KINDS)}")
    card_class = _KINDS[kind]
    known = {item.name for item in dataclasses.fields(card_class)}
    unknown = sorted(set(mapping) - known)
    if unknown:
        raise CardError(
            f"The {kind} input of the model card has the unknown fields {', '.join(unknown)}; running it without them "
            f"could change results. Update onnx-edge-toolkit, or export the model again with this version."
        )
    arguments = {name: _tuple(value) for name, value in mapping.items()}
    for name, value in arguments.items():
        fits, expected = _FIELDS.get(name, (None, ""))
        if fits is not None and not fits(value):
            raise CardError(
                f"The {kind} input of the model card has {name}={value!r:.80}; {expected} expected. Export the model again."
            )
    return card_class(**arguments)


def _shown(number: int) -> str:
    """Number as text for messages, bounded in length: broken files hold numbers that Python refuses to print."""
    return str(number) if abs(number) < 10**9 else "beyond 1,000,000,000"


def _check_choice(kind: str, what: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise CardError(f"The {kind} input's {what} is {value!r}.{suggest(str(value), known)}")


def _check_scaling(kind: str, mean: tuple[float, ...], std: tuple[float, ...], count: int, what: str) -> None:
    for values, name in ((mean, "mean"), (std, "std")):
        if len(values) not in (0, count):
            raise CardError(f"The {kind} input's {name} has {len(values)} values; {count} are expected, {what}.")
    if any(not value > 0 for value in std):
        raise CardError(f"The {kind} input's std is {std}; numbers above 0 are expected.")


def _is_length(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_size(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_length, value))


def _is_number(value: Any) -> bool:
    # compared rather than asked whether it is finite: a whole number too large for a float would raise there
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_index(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _is_tuple_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and all(map(fits, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _tuple(value: Any) -> Any:
    return tuple(_tuple(item) for item in value) if isinstance(value, list | tuple) else value


# What the fields of an input must hold when they come from a file.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (_is_text, "a text is"),
    "size": (_is_size, "a height and a width are"),
    "resize": (
        lambda value: value is None or _is_length(value) or _is_size(value),
        "a length, or a height and a width are",
    ),
    "crop": (lambda value: value is None or _is_size(value), "a height and a width are"),
    "scale": (_is_number, "a finite number is"),
    "mean": (_is_tuple_of(_is_number), "finite numbers are"),
    "std": (_is_tuple_of(_is_number), "finite numbers are"),
    "columns": (_is_tuple_of(_is_text), "the columns' names are"),
    "column": (_is_text, "the column's name is"),
    "vocabulary": (_is_tuple_of(_is_text), "the tokens, as texts, are"),
    "length": (_is_length, "a whole number of at least 1 is"),
    "features": (_is_length, "a whole number of at least 1 is"),
    "padding": (_is_index, "an index, or null for none, is"),
    "unknown": (_is_index, "an index, or null for none, is"),
    "lowercase": (_is_flag, "true or false is"),
    "strip_accents": (_is_flag, "true or false is"),
    "prepared_in_graph": (_is_flag, "true or false is"),
    "shape": (_is_tuple_of(lambda value: value is None or _is_length(value)), "lengths, or null for any, are"),
    "dtype": (_is_text, "a dtype's name is"),
}
