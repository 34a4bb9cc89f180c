"""The model card: everything a file needs to be run as it was trained, in one JSON string.

The exporter writes it under one metadata key of the ONNX file; the runtime reads it back. A file without
a card still opens and runs on raw arrays.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from runtime.errors import CardError, suggest

__all__ = ["CARD_KEY", "CARD_VERSION", "ArrayInput", "ImageInput", "InputCard", "ModelCard", "OutputCard", "TableInput"]

CARD_KEY = "onnx_edge_toolkit.card"
CARD_VERSION = 1

TASKS = ("classification", "regression", "raw")
ROLES = ("logits", "probabilities", "embedding", "values", "feature_map", "raw")
FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
COLORS = ("RGB", "grayscale")
LAYOUTS = ("NCHW", "NHWC")
ORIENTATIONS = ("exif", "stored")


@dataclass(frozen=True)
class ImageInput:
    """How a picture becomes one float32 row of the input `name`; `runtime.preprocess` is driven by it.

    In this order: turned upright by its EXIF tag (`orientation`), converted to `color`, resized
    (`resize`: (height, width) stretches, one int is the length of the shorter side, None keeps), cropped at
    the centre to `crop` (height, width), and normalised: (pixel * scale - mean) / std, one mean and std a channel.
    `size` is the (height, width) that comes out.
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
    kind: Literal["image"] = "image"

    def __post_init__(self) -> None:
        for value, known, what in (
            (self.color, COLORS, "color"),
            (self.filter, FILTERS, "filter"),
            (self.layout, LAYOUTS, "layout"),
            (self.orientation, ORIENTATIONS, "orientation"),
        ):
            if value not in known:
                raise CardError(f"The image input's {what} is {value!r}.{suggest(str(value), known)}")
        if min(self.size) < 1:
            raise CardError(f"The image input's size is {self.size}; a height and a width of at least 1 are expected.")
        for values, what in ((self.mean, "mean"), (self.std, "std")):
            if len(values) not in (0, self.channels):
                raise CardError(
                    f"The image input's {what} has {len(values)} values; {self.channels} are expected, "
                    f"one for each channel of {self.color}."
                )
        if any(not value > 0 for value in self.std):
            raise CardError(f"The image input's std is {self.std}; numbers above 0 are expected.")

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
    """How a table's row becomes one float32 row of the input `name`: (value - mean) / std, column by column."""

    name: str
    columns: tuple[str, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    kind: Literal["table"] = "table"

    def __post_init__(self) -> None:
        for values, what in ((self.mean, "mean"), (self.std, "std")):
            if len(values) not in (0, len(self.columns)):
                raise CardError(
                    f"The table input's {what} has {len(values)} values; one for each of the {len(self.columns)} "
                    f"columns is expected."
                )
        if any(not value > 0 for value in self.std):
            raise CardError(f"The table input's std is {self.std}; numbers above 0 are expected.")

    @property
    def shape(self) -> tuple[int]:
        """The shape of one prepared row, without the batch axis."""
        return (len(self.columns),)


@dataclass(frozen=True)
class ArrayInput:
    """An array taken as it is. `shape` is without the batch axis; None where an axis may have any length."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str = "float32"
    kind: Literal["array"] = "array"


InputCard: TypeAlias = ImageInput | TableInput | ArrayInput
_INPUT_KINDS: dict[str, type[ImageInput | TableInput | ArrayInput]] = {
    "image": ImageInput,
    "table": TableInput,
    "array": ArrayInput,
}


@dataclass(frozen=True)
class OutputCard:
    """One named output and what it means."""

    name: str
    role: str

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise CardError(f"The output {self.name!r} has the role {self.role!r}.{suggest(self.role, ROLES)}")


@dataclass(frozen=True)
class ModelCard:
    """What a model file says of itself.

    Attributes:
        task: "classification", "regression" or "raw".
        inputs: one entry an input, with its full deterministic pre-processing.
        outputs: one entry an output, with its role.
        labels: class names in the order of the probabilities; for regression the names of the targets.
        training: free facts about the training (data, settings, metrics).
        parity: what the exporter's verification measured.
        producer: name and versions of what wrote the file.
    """

    task: str
    inputs: tuple[InputCard, ...]
    outputs: tuple[OutputCard, ...] = ()
    labels: tuple[str, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)
    producer: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise CardError(f"The card's task is {self.task!r}.{suggest(self.task, TASKS)}")

    def output(self, role: str) -> str | None:
        """The name of the first output with this role, or None."""
        return next((output.name for output in self.outputs if output.role == role), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers only; `from_dict` reads them back."""
        return {"version": CARD_VERSION, **_plain(dataclasses.asdict(self))}

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Read a card back.

        Raises:
            CardError: the text is not JSON, lacks a field, or was written by a newer version.
        """
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:  # ValueError: also of a number with thousands of digits
            raise CardError(f"The model card is not JSON ({error}). Export the model again.") from error
        return cls.from_dict(value)

    @classmethod
    def from_dict(cls, value: Any) -> ModelCard:
        """Read a card from plain containers. Raises CardError as `from_json` does."""
        mapping = _mapping(value, "the card")
        version = mapping.get("version")
        if not isinstance(version, int) or version > CARD_VERSION:
            raise CardError(
                f"The model card has version {version!r}; this toolkit reads versions up to {CARD_VERSION}. "
                f"Update onnx-edge-toolkit, or export the model again with this version."
            )
        try:
            return cls(
                task=str(mapping["task"]),
                inputs=tuple(_input(entry) for entry in _list(mapping["inputs"], "inputs")),
                outputs=tuple(
                    OutputCard(str(entry["name"]), str(entry["role"]))
                    for entry in _list(mapping.get("outputs", []), "outputs")
                ),
                labels=tuple(str(label) for label in _list(mapping.get("labels", []), "labels")),
                training=_mapping(mapping.get("training", {}), "training"),
                parity=_mapping(mapping.get("parity", {}), "parity"),
                producer=_mapping(mapping.get("producer", {}), "producer"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CardError(f"The model card is malformed: {error!r}. Export the model again.") from error


def _input(entry: Any) -> InputCard:
    mapping = dict(_mapping(entry, "an input"))
    kind = mapping.get("kind")
    if kind not in _INPUT_KINDS:
        raise CardError(f"An input of the model card has the kind {kind!r}.{suggest(str(kind), _INPUT_KINDS)}")
    card_class = _INPUT_KINDS[kind]
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


def _is_length(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_size(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_length, value))


def _is_number(value: Any) -> bool:
    # compared rather than asked whether it is finite: a whole number too large for a float would raise there
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_tuple_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and all(map(fits, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


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
    "shape": (_is_tuple_of(lambda value: value is None or _is_length(value)), "lengths, or null for any, are"),
    "dtype": (_is_text, "a dtype's name is"),
}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise CardError(
        f"The model card can hold text, numbers, lists and mappings; it was given a {type(value).__name__}."
    )


def _tuple(value: Any) -> Any:
    return tuple(_tuple(item) for item in value) if isinstance(value, list | tuple) else value


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise CardError(f"The model card is malformed: {what} is a {type(value).__name__}; a mapping is expected.")
    return value


def _list(value: Any, what: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise CardError(f"The model card is malformed: {what} is a {type(value).__name__}; a list is expected.")
    return value
