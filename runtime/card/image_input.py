"""Input card of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from runtime.card.field_checks import (
    FLAG,
    NUMBER,
    NUMBERS,
    FieldCheck,
    check_choice,
    check_scaling,
    is_length,
    is_size,
)
from runtime.card.input_card import InputCard, register_input
from runtime.errors import CardError

__all__ = ["COLORS", "FILTERS", "LAYOUTS", "ORIENTATIONS", "ImageInput", "image_inputs"]

FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
COLORS = ("RGB", "grayscale")
LAYOUTS = ("NCHW", "NHWC")
ORIENTATIONS = ("exif", "stored")


@register_input
@dataclass(frozen=True)
class ImageInput(InputCard):
    """Picture pre-processing: a picture -> one float32 row of the input `name`; it drives `runtime.preprocess`.

    In this order: turned upright by its EXIF tag (`orientation`), converted to `color`, resized
    (`resize`: (height, width) stretches, one int is the length of the shorter side, None keeps), cropped at
    the centre to `crop` (height, width), and normalised: (pixel * scale - mean) / std, one mean and std per channel.
    `size` is the (height, width) that comes out.

    With `prepared_in_graph` the file does all of it from the resizing on: it takes the upright pictures in their colour as uint8
    (N, height, width, channels) of any size.
    """

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

    CHECKS: ClassVar[Mapping[str, FieldCheck]] = {
        "size": FieldCheck(is_size, "a height and a width are"),
        "resize": FieldCheck(
            lambda value: value is None or is_length(value) or is_size(value),
            "a length, or a height and a width are",
        ),
        "crop": FieldCheck(lambda value: value is None or is_size(value), "a height and a width are"),
        "scale": NUMBER,
        "mean": NUMBERS,
        "std": NUMBERS,
        "prepared_in_graph": FLAG,
    }

    def __post_init__(self) -> None:
        check_choice("image", "color", self.color, COLORS)
        check_choice("image", "filter", self.filter, FILTERS)
        check_choice("image", "layout", self.layout, LAYOUTS)
        check_choice("image", "orientation", self.orientation, ORIENTATIONS)
        if min(self.size) < 1:
            raise CardError(f"The image input's size is {self.size}; a height and a width of at least 1 are expected.")
        check_scaling("image", self.mean, self.std, self.channels, f"one for each channel of {self.color}")

    @property
    def channels(self) -> int:
        """3 for RGB, 1 for grayscale."""
        return 3 if self.color == "RGB" else 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of one prepared row, without the batch axis."""
        height, width = self.size
        return (self.channels, height, width) if self.layout == "NCHW" else (height, width, self.channels)

    @property
    def axis_names(self) -> Mapping[int, str]:
        """Axis of a batch -> "height" or "width"."""
        return {2: "height", 3: "width"} if self.layout == "NCHW" else {1: "height", 2: "width"}

    def prepared_outside(self) -> ImageInput:
        """The card of the same preparation, done outside of the file."""
        return replace(self, prepared_in_graph=False)

    def fed_shape(self, picture: tuple[int, int] | None = None) -> tuple[int, int, int]:
        """`shape`; with `prepared_in_graph` that of a raw picture (height, width, channels)."""
        return (*(picture or self.size), self.channels) if self.prepared_in_graph else self.shape

    @property
    def fed_dtype(self) -> str:
        """uint8 with `prepared_in_graph`."""
        return "uint8" if self.prepared_in_graph else self.dtype

    def describe(self) -> str:
        """Pre-processing in words."""
        steps: list[str] = [self.color]
        if isinstance(self.resize, int):
            steps.append(f"shorter side to {self.resize} ({self.filter})")
        elif self.resize is not None:
            steps.append(f"resize to {self.resize[0]} x {self.resize[1]} ({self.filter})")
        if self.crop is not None:
            steps.append(f"centre crop {self.crop[0]} x {self.crop[1]}")
        steps.append("scale to 0..1" if abs(self.scale - 1 / 255) < 1e-9 else f"times {self.scale:g}")
        if self.mean or self.std:
            steps.append(f"mean {list(self.mean)}, std {list(self.std)}")
        where = ["all of it in the file, which takes uint8 pictures"] if self.prepared_in_graph else []
        return ", ".join([*steps, self.layout, *where])


def image_inputs(cards: Iterable[InputCard | None]) -> dict[int, ImageInput]:
    """Picture inputs among several: position -> card. For what is done with pictures alone, such as an augmentation."""
    return {position: card for position, card in enumerate(cards) if isinstance(card, ImageInput)}
