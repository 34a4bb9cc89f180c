"""What the authors of an architecture trained their own weights with: the task, the pictures, the classes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runtime.card import ImageInput

__all__ = ["Published", "at_size"]


@dataclass(frozen=True)
class Published:
    """What is known of a network by its name.

    Attributes:
        task: of its card.
        shape: of one row of its input.
        input: how pictures are prepared for the published weights; None where no card can say it.
        labels: class names of the published weights.
        same_classes: whether the network was made with as many classes as these weights have, or is trained for none.
        weights: which of the published ones all this belongs to, in words.
    """

    task: str
    shape: tuple[int, ...]
    input: ImageInput | None = None
    labels: tuple[str, ...] = ()
    same_classes: bool = True
    weights: str = ""


def at_size(card: ImageInput, size: tuple[int, int]) -> ImageInput:
    """The same preparation for pictures of another size: resized and cropped in the same proportion."""
    if size == card.size:
        return card
    if isinstance(card.resize, int) and card.crop is not None:
        shorter = round(card.resize * min(size) / min(card.crop))
        return replace(card, size=size, resize=max(shorter, *size), crop=size)
    return replace(card, size=size, resize=size, crop=size if card.crop is not None else None)
