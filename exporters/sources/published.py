"""Published weights of an architecture: their task, pre-processing and classes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runtime.card import ImageInput

__all__ = ["Published", "at_size"]


@dataclass(frozen=True)
class Published:
    """Facts of an architecture's published weights.

    Attributes:
        task: of its card.
        shape: of one row of its input.
        input: picture pre-processing of the published weights; None where a card cannot express it.
        labels: class names of the published weights.
        same_classes: True where the network has as many classes as these weights, or is trained for none.
        weights: name of the published weights, in words.
    """

    task: str
    shape: tuple[int, ...]
    input: ImageInput | None = None
    labels: tuple[str, ...] = ()
    same_classes: bool = True
    weights: str = ""


def at_size(card: ImageInput, size: tuple[int, int]) -> ImageInput:
    """Pre-processing for another picture size: resized and cropped in the same proportion."""
    if size == card.size:
        return card
    if isinstance(card.resize, int) and card.crop is not None:
        shorter = round(card.resize * min(size) / min(card.crop))
        return replace(card, size=size, resize=max(shorter, *size), crop=size)
    return replace(card, size=size, resize=size, crop=size if card.crop is not None else None)
