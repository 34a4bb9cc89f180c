"""Transforms -> the card's deterministic pre-processing, and the random augmentation.

Pictures are resized by the card, augmented and normalised. Where the steps are random ones first that depend on a picture's size,
training takes them in the order given, beginning with the pictures as they are stored; the card resizes in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from runtime.card import ImageInput
from runtime.errors import InputError
from toolkit.data.augmentation import Augmentation, Crops, Mix, Step, read_steps
from toolkit.data.augmentation.arguments import size_of
from toolkit.data.augmentation.augment import has_random
from toolkit.data.augmentation.mix import mixes
from toolkit.data.augmentation.names import depends_on_size, kind_of

__all__ = ["image_card", "parse_transform"]

_CROPS = ("CenterCrop", "RandomCrop", "RandomResizedCrop")
_KNOWN = "Resize, CenterCrop, Normalize, Grayscale and ToTensor"
# These measure in pixels, so that resizing before or after them is not the same.
_IN_PIXELS = (
    "CenterCrop",
    "ElasticTransform",
    "GaussianBlur",
    "Pad",
    "RandomCrop",
    "RandomResize",
    "RandomShortestSize",
    "ScaleJitter",
)


def image_card(transform: Any, color: Literal["RGB", "grayscale"]) -> ImageInput:
    """Deterministic transforms -> a card whose size is still to be found where none of them sets it.

    Args:
        transform: in any form that `parse_transform` takes.
        color: "RGB" or "grayscale".

    Raises:
        InputError: a transform is unknown, random, or its arguments do not fit.
    """
    card, augment, mix = parse_transform(transform, color)
    changes: list[Any] = (
        [*filter(has_random, augment.steps), *([augment.crops] if augment.crops else [])] if augment else []
    )
    names = [change.name for change in changes] or ([mix.step.name] if mix else [])
    if names:
        what = "looks at a picture several times" if names[0] in ("FiveCrop", "TenCrop") else "is random"
        raise InputError(f"The transform {names[0]!r} {what}; only {_KNOWN} can be part of the pre-processing.")
    return card


def parse_transform(
    transform: Any, color: Literal["RGB", "grayscale"]
) -> tuple[ImageInput, Augmentation | None, Mix | None]:
    """Transforms -> (the card to load the pictures with, the random changes, the mixing of batches).

    Nothing random reaches the card. For a random crop smaller than the resized picture, evaluation takes a crop at
    the centre: load the data with the card that is returned, then `Augmentation.prepare` gives the data set whose card says so.

    Args:
        transform: None; names with arguments as plain JSON, in the forms that `read_steps` lists; or torchvision's transforms.
        color: "RGB" or "grayscale".

    Raises:
        InputError: a transform or an argument is unknown, cannot be used in its place, or the order does not fit.
    """
    plan = _Plan(ImageInput("input", color, size=(1, 1)))
    for step in read_steps(transform):
        plan.add(step)
    return plan.result()


@dataclass
class _Plan:
    """Partial result of reading the steps: card, augmentation steps, mixing, crops."""

    card: ImageInput
    steps: list[Step] = field(default_factory=list)
    mix: Mix | None = None
    crops: Crops | None = None
    normalized: bool = False

    def add(self, step: Step) -> None:
        """Add one step to the card, the augmentation, the mixing or the crops."""
        kind = kind_of(step.name)
        if kind == "mix" or (kind == "container" and mixes(step)):
            if self.mix is not None:
                raise InputError(
                    f"{self.mix.step.name} and {step.name} were both given; one of them mixes a batch. Put them in a RandomChoice."
                )
            self.mix = Mix(step)
        elif kind == "conversion":
            _check_conversion(step)
        elif step.name == "Normalize":
            self._normalize(step)
        elif self.crops is not None:
            raise InputError(
                f"{step.name} follows {self.crops.name}, which is the last look at a picture. Put {self.crops.name} last."
            )
        elif kind == "crops":
            self.crops = Crops.from_step(step)
        elif kind == "preparation":
            self._prepare(step)
        else:
            self.steps.append(self._on_pixels(step))

    def result(self) -> tuple[ImageInput, Augmentation | None, Mix | None]:
        """The card, the augmentation and the mixing."""
        self._check_padding()
        if not self.steps and self.crops is None:
            return self.card, None, self.mix
        if not any(map(has_random, self.steps)) and self.crops is None:
            return self.card, None, self.mix
        augment = Augmentation(self._sequence(), self.crops)
        crop, resize, sized = augment.crop, self.card.resize, [step.name for step in self.steps]
        if crop is not None and resize is None and self.card.crop is None and "RandomResizedCrop" in sized:
            # nothing else says what a whole picture is brought to; the crops come from the pictures as they are stored
            self.card = replace(self.card, resize=crop)
            augment = Augmentation(augment.steps, augment.crops, unresized=True)
        elif crop is not None and isinstance(resize, int) and self.card.crop is None:
            self.card = replace(self.card, crop=_square(resize, crop))
        return self.card, augment, self.mix

    def _sequence(self) -> tuple[Step, ...]:
        """The steps of the augmentation: all of them where it begins with the pictures as they are stored, else the random ones."""
        random = [number for number, step in enumerate(self.steps) if _is_sized(step)]
        resizes = [number for number, step in enumerate(self.steps) if step.name == "Resize"]
        begun = next((number for number, step in enumerate(self.steps) if has_random(step)), len(self.steps))
        leading = self.steps[:begun]
        # the shorter side at one length leaves pictures of several sizes, of which the card keeps a crop
        open_ended = isinstance(self.card.resize, int) and bool(leading) and leading[-1].name == "Resize"
        if random and (open_ended or max(resizes, default=-1) > random[0]):
            return tuple(self.steps)
        crop = next((step for step in leading if step.name == "CenterCrop"), None)
        rest = tuple(step for step in self.steps[begun:] if step.name != "Resize")
        cropped_again = any(step.name in _CROPS for step in rest) or self.crops is not None
        return (crop, *rest) if crop is not None and cropped_again and rest else rest

    def _prepare(self, step: Step) -> None:
        if step.name in ("Grayscale", "RGB"):
            self._color(step)
        elif step.name == "CenterCrop":
            if not any(map(has_random, self.steps)):
                height, width = step.arguments["size"]
                self.card = replace(self.card, crop=(height, width))
            self.steps.append(step)  # after a random step in the augmentation alone, and at the centre in the card
        else:
            self._resize(step)

    def _resize(self, step: Step) -> None:
        before = next((earlier.name for earlier in self.steps if _within(earlier, _IN_PIXELS)), None)
        if self.card.crop is not None or before is not None:
            raise InputError(
                f"Resize follows {before or 'CenterCrop'}; the pre-processing resizes first. Put Resize first, with a size that fits."
            )
        if step.arguments.get("max_size") is not None:
            raise InputError("Resize(max_size=...) cannot be part of the pre-processing. Give (height, width).")
        size = _resized(step.arguments.get("size"))
        for number, earlier in enumerate(self.steps):
            if earlier.name == "RandomResizedCrop":  # gives the size of Resize at once
                size = _resized_again(earlier.arguments["size"], size)
                self.steps[number] = replace(earlier, arguments={**earlier.arguments, "size": list(size)})
        mode = step.arguments.get("interpolation", "bilinear")
        # Pillow's nearest is what torchvision calls nearest-exact; for pictures both are this one
        self.card = replace(self.card, resize=size, filter="nearest" if mode == "nearest-exact" else mode)
        kept = {"size": size if isinstance(size, int) else list(size)}
        self.steps.append(Step("Resize", {**kept, **({"interpolation": mode} if mode != "bilinear" else {})}))

    def _color(self, step: Step) -> None:
        channels = step.arguments.get("num_output_channels", 1) if step.name == "Grayscale" else 3
        if any(map(has_random, self.steps)):
            raise InputError(
                f"{step.name} follows {self.steps[-1].name}; the pre-processing converts colours first. Put {step.name} first."
            )
        if step.name == "Grayscale" and channels == 1:
            if len(self.card.mean) > 1 or len(self.card.std) > 1:
                raise InputError("Grayscale follows Normalize, which has more than one channel. Put Grayscale first.")
            self.card = replace(self.card, color="grayscale")
        elif channels != self.card.channels or step.name == "Grayscale":
            raise InputError(
                f"{step.name} gives {channels} channels of one grey, which the card cannot say. Choose color='grayscale' or color='RGB'."
            )

    def _normalize(self, step: Step) -> None:
        if self.normalized:
            raise InputError("Normalize was given twice. Give it once, at the end.")
        mean, std = step.arguments["mean"], step.arguments["std"]
        self.card, self.normalized = replace(self.card, mean=tuple(map(float, mean)), std=tuple(map(float, std))), True

    def _on_pixels(self, step: Step) -> Step:
        """A random step with its values converted for pixels from 0 to 1, before the normalisation."""
        if step.name != "RandomErasing":
            return replace(step, inside=tuple(map(self._on_pixels, step.inside)))
        value = step.arguments.get("value", 0.0)
        if value == "random":
            return step
        values = list(value) if isinstance(value, list) else [float(value)]
        if self.normalized:
            # after Normalize 0 means the mean colour: the value that the normalisation turns into the one asked for
            channels = max(len(self.card.mean), len(values))
            values = [v * s + m for v, m, s in zip(
                _each(values, channels), _each(self.card.mean, channels), _each(self.card.std, channels), strict=True
            )]  # fmt: skip
        if any(not 0 <= number <= 1 for number in values):
            raise InputError(
                f"RandomErasing fills with the value {value!r}; a value from 0 (black) to 1 (white) is expected, or 'random'."
            )
        return replace(step, arguments={**step.arguments, "value": values if len(values) > 1 else values[0]})

    def _check_padding(self) -> None:
        for number, step in enumerate(self.steps):
            cropped = any(_within(later, ("RandomCrop", "RandomResizedCrop")) for later in self.steps[number:])
            if step.name == "Pad" and not cropped:
                raise InputError(
                    "Pad is not random, so an evaluation would need it too, and the card has no border. Put a RandomCrop after it, or "
                    "give zero_pad to the network as its first layer."
                )


def _check_conversion(step: Step) -> None:
    dtype = step.arguments.get("dtype", "float32")
    if dtype not in ("float32", "float") or (step.name == "ToDtype" and not step.arguments.get("scale", False)):
        raise InputError(
            f"{step.name} with {dict(step.arguments)} cannot be kept; pictures always become float32 from 0 to 1. Leave it out."
        )


def _resized(size: Any) -> tuple[int, int] | int:
    """Size of a Resize step: (height, width), or one number for the shorter side."""
    if isinstance(size, int) or (isinstance(size, list) and len(size) == 1):
        return size_of("Resize", size)[0]
    height, width = size_of("Resize", size)
    return height, width


def _resized_again(first: Sequence[int], size: tuple[int, int] | int) -> tuple[int, int]:
    """The size of a picture of the size `first` once it is resized to (height, width), or by its shorter side."""
    if isinstance(size, tuple):
        return size
    height, width = first
    return int(size * height / min(first)), int(size * width / min(first))


def _square(side: int, crop: tuple[int, int]) -> tuple[int, int]:
    """Common size (height, width) to keep of pictures with shorter side `side`, for which the centre crop is the same.

    The margin is a multiple of four: half of it, on each side, is even, and rounding to the even pixel gives the same start.
    """
    if side < max(crop):
        raise InputError(
            f"Resize brings the shorter side to {side} pixels; the crop after it takes {crop[0]} x {crop[1]}. Resize to at least {max(crop)}."
        )
    height, width = (length + (side - length) // 4 * 4 for length in crop)
    return height, width


def _is_sized(step: Step) -> bool:
    """True for a random step, or one with such a step inside, that depends on the size of a picture."""
    return depends_on_size(step.name) or any(map(_is_sized, step.inside))


def _within(step: Step, names: Sequence[str]) -> bool:
    return step.name in names or any(_within(inner, names) for inner in step.inside)


def _each(values: Sequence[float], channels: int) -> list[float]:
    return list(values) * channels if len(values) == 1 else list(values)
