"""Familiar transforms -> the card's pre-processing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from runtime.card import ImageInput
from runtime.errors import InputError, suggest

__all__ = ["image_card"]

_KNOWN = ("Resize", "CenterCrop", "Normalize", "ToTensor")


def image_card(transform: Any, color: Literal["RGB", "grayscale"]) -> ImageInput:
    """Transforms -> a card whose size is still to be found where none of them sets it.

    Args:
        transform: None; a dictionary of torchvision's names and their arguments; or torchvision's Resize, CenterCrop,
            Normalize, ToTensor or a Compose of these.
        color: "RGB" or "grayscale".

    Raises:
        InputError: a transform is unknown, random, or its arguments do not fit.
    """
    card = ImageInput("input", color, size=(1, 1))
    for name, arguments in _steps(transform):
        card = _apply(card, name, arguments)
    return card


def _steps(transform: Any) -> Iterable[tuple[str, Any]]:
    if transform is None:
        return []
    if isinstance(transform, Mapping):
        return list(transform.items())
    inner = getattr(transform, "transforms", None)
    if inner is not None:
        return [step for entry in inner for step in _steps(entry)]
    name = type(transform).__name__
    if name == "Resize":
        return [(name, transform)]
    if name == "Normalize":
        return [(name, (transform.mean, transform.std))]
    return [(name, getattr(transform, "size", None))]


def _apply(card: ImageInput, name: str, arguments: Any) -> ImageInput:
    if name == "Resize":
        if card.crop is not None:
            raise InputError("Resize follows CenterCrop; the pre-processing resizes first. Put CenterCrop last.")
        return _resize(card, arguments)
    if name == "CenterCrop":
        size = _size(name, arguments, one=False)
        return replace(card, crop=size)
    if name == "Normalize":
        try:
            mean, std = arguments
            return replace(card, mean=tuple(map(float, mean)), std=tuple(map(float, std)))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"Normalize takes (means, deviations), one number a channel; {arguments!r} was given."
            ) from error
    if name in ("ToTensor", "ToImage", "PILToTensor"):
        return card  # pixels are scaled to 0..1 in any case
    if name.startswith("Random") or name in ("ColorJitter", "GaussianBlur"):
        raise InputError(
            f"The transform {name!r} is random; only the deterministic {', '.join(_KNOWN)} can be part of the pre-processing."
        )
    raise InputError(f"There is no transform {name!r}.{suggest(name, _KNOWN)}")


def _resize(card: ImageInput, arguments: Any) -> ImageInput:
    """(height, width), one number for the shorter side, or torchvision's Resize, whose filter is kept."""
    mode = getattr(arguments, "interpolation", None)
    if mode is None:
        return replace(card, resize=_size("Resize", arguments, one=True), filter="bilinear")
    if arguments.max_size is not None:
        raise InputError("Resize(max_size=...) cannot be part of the pre-processing. Give (height, width).")
    return replace(card, resize=_size("Resize", arguments.size, one=True), filter=mode.value)


def _size(name: str, value: Any, *, one: bool) -> Any:
    numbers = [value] if isinstance(value, int) else list(value) if isinstance(value, list | tuple) else []
    if len(numbers) not in (1, 2) or any(not isinstance(number, int) or number < 1 for number in numbers):
        raise InputError(f"{name} takes (height, width) or one whole number; {value!r} was given.")
    if len(numbers) == 1:
        return numbers[0] if one else (numbers[0], numbers[0])
    return tuple(numbers)
